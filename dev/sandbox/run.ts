import { spawn } from "node:child_process";
import type { CommandResult } from "./sandbox.ts";

export interface RunOptions {
  /** Standard input. Default: empty. */
  input?: string;
  /** Milliseconds after which the command is killed; its code is then 124. Default: 60 000. */
  timeout?: number;
  /** Variables to set on top of the current environment. */
  env?: Readonly<Record<string, string>>;
}

/** Exit status of a command that did not end in time, as `timeout` of coreutils has it. */
const TIMED_OUT = 124;

/** Runs a command to its end. A command that cannot be started gives code 127 and the reason on `stderr`. */
export function run([file = "", ...args]: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  const { input = "", timeout = 60_000, env = {} } = options;
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
    // A grandchild that holds the pipes would otherwise keep this waiting.
    child.stdout.destroy();
    child.stderr.destroy();
  }, timeout);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  // A command may end without having read all; its exit status tells more than the broken pipe.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: 127, stdout: "", stderr: error.message });
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      const [out, err] = [stdout, stderr].map((chunks) => Buffer.concat(chunks).toString());
      resolve({ code: late ? TIMED_OUT : (code ?? 1), stdout: out ?? "", stderr: err ?? "" });
    });
  });
}
