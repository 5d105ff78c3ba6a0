// The language host of the off-line toolchain: the engine asks it to run a Node program (`runtime: nodejs`).
// It speaks the engine's LanguageRuntime protocol and leaves the work to the SDK's own entry point.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb.js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import type { AboutRequest, GetProgramDependenciesRequest, RunRequest } from "@pulumi/pulumi/proto/language_pb.js";
import pluginMessages from "@pulumi/pulumi/proto/plugin_pb.js";
import type { PackageDependency, PluginDependency } from "@pulumi/pulumi/proto/plugin_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { RpcError, serve, unary } from "../rpc.ts";
import { dependencies, requiredPlugins } from "./dependencies.ts";
import { runPlugin } from "./plugin.ts";
import { cancelRuns, runProgram } from "./run.ts";

/** The engine's address: the last argument, replaced by the handshake when there is one. */
let engine = process.argv.slice(2).findLast((argument) => !argument.startsWith("-")) ?? "";

/** Folder of the program, from the first request that names it. */
function programDirectory(info: { getProgramDirectory(): string } | undefined): string {
  return info?.getProgramDirectory() ?? process.cwd();
}

type ProgramInfo = Parameters<typeof programDirectory>[0];

/** The plugins of a program, in the engine's old or new message. */
function required<T extends PackageDependency | PluginDependency>(
  request: { getInfo(): ProgramInfo },
  Message: new () => T,
): T[] {
  return requiredPlugins(programDirectory(request.getInfo())).map(({ name, version }) => {
    const dependency = new Message();
    dependency.setName(name);
    dependency.setKind("resource");
    dependency.setVersion(version);
    return dependency;
  });
}

const ownVersion = (
  JSON.parse(readFileSync(createRequire(import.meta.url).resolve("@pulumi/pulumi/package.json"), "utf8")) as {
    version: string;
  }
).version;

const notHere = (what: string) =>
  unary(() => {
    throw new RpcError(grpc.status.UNIMPLEMENTED, `the off-line language host does not ${what}`);
  });

await serve(LanguageRuntimeService, {
  handshake: unary((request: InstanceType<typeof language.LanguageHandshakeRequest>) => {
    engine = request.getEngineAddress();
    return new language.LanguageHandshakeResponse();
  }),

  getPluginInfo: unary(() => {
    const info = new pluginMessages.PluginInfo();
    info.setVersion(ownVersion);
    return info;
  }),

  about: unary((_request: AboutRequest) => {
    const about = new language.AboutResponse();
    about.setExecutable(process.execPath);
    about.setVersion(process.version);
    return about;
  }),

  getRequiredPackages: unary((request: InstanceType<typeof language.GetRequiredPackagesRequest>) => {
    const response = new language.GetRequiredPackagesResponse();
    response.setPackagesList(required(request, pluginMessages.PackageDependency));
    return response;
  }),

  getRequiredPlugins: unary((request: InstanceType<typeof language.GetRequiredPluginsRequest>) => {
    const response = new language.GetRequiredPluginsResponse();
    response.setPluginsList(required(request, pluginMessages.PluginDependency));
    return response;
  }),

  getProgramDependencies: unary((request: GetProgramDependenciesRequest) => {
    const response = new language.GetProgramDependenciesResponse();
    response.setDependenciesList(
      dependencies(programDirectory(request.getInfo())).map(({ name, version }) => {
        const dependency = new language.DependencyInfo();
        dependency.setName(name);
        dependency.setVersion(version);
        return dependency;
      }),
    );
    return response;
  }),

  run: unary((request: RunRequest) => runProgram(request, engine)),

  cancel: unary(() => {
    cancelRuns();
    return new empty.Empty();
  }),

  runtimeOptionsPrompts: unary(() => new language.RuntimeOptionsResponse()),

  installDependencies: (call: grpc.ServerWritableStream<unknown, unknown>) => {
    const where = programDirectory(
      (call.request as InstanceType<typeof language.InstallDependenciesRequest>).getInfo(),
    );
    call.emit("error", {
      code: grpc.status.FAILED_PRECONDITION,
      details: `packages are not installed off line: run \`npm ci\` in ${join(where, ".")}`,
    });
  },
  template: notHere("create projects from templates"),
  runPlugin,
  generateProgram: notHere("generate programs"),
  generateProject: notHere("generate projects"),
  generatePackage: notHere("generate packages"),
  pack: notHere("pack packages"),
  link: notHere("link packages"),
});
