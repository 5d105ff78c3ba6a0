// The language host's running of policy packs, with a caller of the tests' own in the engine's place.
import { EventEmitter } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import language from "@pulumi/pulumi/proto/language_pb.js";
import { expect, it } from "vitest";
import { runPlugin } from "../language-host/plugin.ts";
import { folder } from "./fixture.ts";

type Call = Parameters<typeof runPlugin>[0];
type Response = InstanceType<typeof language.RunPluginResponse>;

/** What came back: the output, the exit status, or the error that the engine would show. */
interface Ended {
  stdout: string;
  stderr: string;
  exitCode?: number;
  error?: string;
}

/** Asks for a plugin; `cancel` hangs up as soon as it has said something. */
function ask(directory: string, kind = "analyzer", cancel = false): Promise<Ended> {
  const request = new language.RunPluginRequest();
  const info = new language.ProgramInfo();
  info.setProgramDirectory(directory);
  request.setInfo(info);
  request.setKind(kind);
  request.setArgsList(["127.0.0.1:1"]);
  request.setEnvList(["GREETING=hello=there", `PATH=${process.env.PATH ?? ""}`]);
  const ended: Ended = { stdout: "", stderr: "" };
  const call = new EventEmitter() as EventEmitter & {
    request: unknown;
    write: (one: Response) => void;
    end: () => void;
  };
  call.request = request;
  return new Promise((resolve) => {
    call.write = (response) => {
      ended.stdout += Buffer.from(response.getStdout_asU8()).toString();
      ended.stderr += Buffer.from(response.getStderr_asU8()).toString();
      if (response.hasExitcode()) ended.exitCode = response.getExitcode();
      else if (cancel) call.emit("cancelled");
    };
    call.end = () => {
      resolve(ended);
    };
    call.on("error", ({ details }: { details: string }) => {
      resolve({ ...ended, error: details });
    });
    runPlugin(call as unknown as Call);
  });
}

/** A policy pack whose SDK is one line of the tests' own. */
function pack(line: string): string {
  const directory = folder();
  const sdk = join(directory, "node_modules/@pulumi/pulumi/cmd/run-policy-pack");
  mkdirSync(sdk, { recursive: true });
  writeFileSync(join(sdk, "index.js"), line);
  return directory;
}

it("the policy pack runs in its folder, with the engine's address, the engine's environment and the folder last", async () => {
  const directory = pack(
    "console.log(process.cwd(), ...process.argv.slice(2), process.env.GREETING); console.error('oh'); process.exit(7)",
  );
  expect(await ask(directory)).toEqual({
    stdout: `${directory} 127.0.0.1:1 ${directory} hello=there\n`,
    stderr: "oh\n",
    exitCode: 7,
  });
});

it("the policy pack ends when the engine hangs up", async () => {
  const directory = pack("console.log(1); setInterval(() => 0, 1000)");
  expect(await ask(directory, "analyzer", true)).toMatchObject({ stdout: "1\n", exitCode: 1 });
});

it("the policy pack's host names what is missing, and what it does not run", async () => {
  const directory = folder();
  expect((await ask(directory)).error).toBe(
    `@pulumi/pulumi is not installed for the policy pack in ${directory}: run \`npm ci\` there`,
  );
  expect((await ask(directory, "resource")).error).toBe(
    "the off-line language host runs policy packs, not resource plugins",
  );
});
