// Runs one program for the engine, as a Node process with the SDK's own entry point.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import language from "@pulumi/pulumi/proto/language_pb.js";
import type { RunRequest, RunResponse } from "@pulumi/pulumi/proto/language_pb.js";
import { runtimeOptions } from "./options.ts";
import type { RuntimeOptions } from "./options.ts";

/** The SDK's exit code for "the user has been told what is wrong": nothing more is to be printed. */
const alreadyTold = 32;

const lazyClosures = join(import.meta.dirname, "lazy-closures.ts");

const running = new Set<ChildProcess>();

/** Asks every running program to end. */
export function cancelRuns(): void {
  for (const child of running) child.kill("SIGTERM");
}
process.on("exit", cancelRuns);

/** `project:key` is what the engine sends and `project:config:key` what every version of the SDK reads. */
function longConfigKey(key: string): string {
  return key.replace(/^([^:]+):(?!config:)/, "$1:config:");
}

/** The arguments after Node's own: the entry point, the flags it parses, the program and the program's arguments. */
function runArguments(entry: string, request: RunRequest, engine: string): string[] {
  const info = request.getInfo();
  const directory = info?.getProgramDirectory() ?? request.getPwd();
  const flags: Record<string, string | undefined> = {
    monitor: request.getMonitorAddress(),
    engine,
    organization: request.getOrganization(),
    project: request.getProject(),
    "root-directory": info?.getRootDirectory(),
    stack: request.getStack(),
    pwd: directory,
    parallel: String(request.getParallel()),
  };
  return [
    entry,
    ...Object.entries(flags).flatMap(([flag, value]) => (value ? [`--${flag}`, value] : [])),
    ...(request.getDryrun() ? ["--dry-run"] : []),
    info?.getEntryPoint() || ".",
    ...request.getArgsList(),
  ];
}

/** The SDK is some hundred files; compiled code kept between runs makes the start noticeably shorter. */
export function compileCache(): Record<string, string> {
  const { PULUMI_HOME: home, NODE_COMPILE_CACHE: kept = home && join(home, "compiled") } = process.env;
  return kept ? { NODE_COMPILE_CACHE: kept } : {};
}

/** What the program's process gets on top of the engine's environment. */
function runEnvironment(request: RunRequest, options: RuntimeOptions): Record<string, string> {
  const config = request.getConfigMap().toArray();
  return {
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(config.map(([key, value]) => [longConfigKey(key), value]))),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList().map(longConfigKey)),
    ...(options.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
    ...(options.tsconfig ? { PULUMI_NODEJS_TSCONFIG_PATH: options.tsconfig } : {}),
    ...compileCache(),
  };
}

/** How the engine is told about the end of a program: nothing, "already told", or one line. */
function runOutcome(code: number | null, signal: NodeJS.Signals | null): RunResponse {
  const response = new language.RunResponse();
  if (signal !== null) response.setError(`Program was ended by ${signal}`);
  else if (code === alreadyTold) response.setBail(true);
  else if (code !== 0) response.setError(`Program exited with non-zero exit code: ${code}`);
  return response;
}

/** Runs the program that `request` names and answers when it has ended. Its output goes where the host's goes. */
export async function runProgram(request: RunRequest, engine: string): Promise<RunResponse> {
  const directory = request.getInfo()?.getProgramDirectory() ?? request.getPwd();
  const failed = (message: string) => {
    const response = new language.RunResponse();
    response.setError(message);
    return response;
  };

  const options = runtimeOptions(request.getInfo()?.getOptions()?.toJavaScript() ?? {});
  let entry: string;
  try {
    entry = createRequire(join(directory, "package.json")).resolve("@pulumi/pulumi/cmd/run");
  } catch {
    return failed(`@pulumi/pulumi is not installed for the program in ${directory}: run \`npm ci\` there`);
  }

  // A program is over before its memory is worth tidying.
  const nodeArguments = ["--max-semi-space-size=64", "--import", pathToFileURL(lazyClosures).href, ...options.nodeargs];
  const child = spawn(process.execPath, [...nodeArguments, ...runArguments(entry, request, engine)], {
    cwd: directory,
    env: { ...process.env, ...runEnvironment(request, options) },
    stdio: ["ignore", "inherit", "inherit"],
  });
  running.add(child);
  return new Promise((resolve) => {
    child.once("error", (error) => {
      running.delete(child);
      resolve(failed(`cannot start Node for the program: ${error.message}`));
    });
    child.once("exit", (code, signal) => {
      running.delete(child);
      resolve(runOutcome(code, signal));
    });
  });
}
