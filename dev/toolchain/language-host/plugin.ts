// Runs a plugin that is itself a Node program. The only kind that this project has is a policy pack.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import { compileCache } from "./run.ts";

type Request = InstanceType<typeof language.RunPluginRequest>;
type Response = InstanceType<typeof language.RunPluginResponse>;

/**
 * Starts the policy pack in the request's program folder with the SDK's own entry point, passes its output on to the
 * engine, which reads the port there, and ends it when the engine hangs up. Other kinds of plugins are refused.
 */
export function runPlugin(call: grpc.ServerWritableStream<Request, Response>): void {
  const fail = (code: grpc.status, details: string) => call.emit("error", { code, details });
  const { request } = call;
  const directory = request.getInfo()?.getProgramDirectory() ?? request.getPwd();
  if (request.getKind() !== "analyzer") {
    fail(grpc.status.UNIMPLEMENTED, `the off-line language host runs policy packs, not ${request.getKind()} plugins`);
    return;
  }
  let entry: string;
  try {
    entry = createRequire(join(directory, "package.json")).resolve("@pulumi/pulumi/cmd/run-policy-pack");
  } catch {
    fail(
      grpc.status.FAILED_PRECONDITION,
      `@pulumi/pulumi is not installed for the policy pack in ${directory}: run \`npm ci\` there`,
    );
    return;
  }

  const environment = Object.fromEntries(request.getEnvList().map(splitVariable));
  // The pack's folder comes last and is the working directory, because the SDK looks for its package.json there.
  const child = spawn(process.execPath, [entry, ...request.getArgsList(), directory], {
    cwd: directory,
    env: { ...environment, ...compileCache() },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const send = (fill: (response: Response) => void) => {
    const response = new language.RunPluginResponse();
    fill(response);
    call.write(response);
  };
  child.stdout.on("data", (chunk: Uint8Array) => send((response) => response.setStdout(chunk)));
  child.stderr.on("data", (chunk: Uint8Array) => send((response) => response.setStderr(chunk)));
  child.once("error", (error) => fail(grpc.status.UNKNOWN, `cannot start Node for the policy pack: ${error.message}`));
  child.once("close", (code) => {
    process.off("exit", end);
    send((response) => response.setExitcode(code ?? 1));
    call.end();
  });
  const end = () => child.kill("SIGTERM");
  call.once("cancelled", end);
  process.on("exit", end);
}

/** Name and value of a variable as a process's environment has it. */
function splitVariable(text: string): [name: string, value: string] {
  const end = text.indexOf("=");
  return [text.slice(0, end), text.slice(end + 1)];
}
