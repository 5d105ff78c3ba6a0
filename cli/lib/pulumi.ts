import { spawn } from "node:child_process";
import { CommandError } from "./command.ts";

/** How a command of the Pulumi CLI is run. */
export interface Run {
  /** Given to it on standard input, where nobody else on the machine sees it; nothing by default. */
  input?: string;
  /** Added to the environment. */
  env?: NodeJS.ProcessEnv;
}

/**
 * What a command of the Pulumi CLI on the PATH prints. It asks nothing.
 *
 * @throws CommandError with the CLI's own words in one line, or if there is no CLI
 */
export function capture(args: readonly string[], { input = "", env = {} }: Run = {}): Promise<string> {
  const child = spawn("pulumi", [...args, "--non-interactive"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  // A CLI that has ended does not read on; its status tells why.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  let output = "";
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", ({ message }) => {
      reject(new CommandError(`pulumi cannot be run (${message}): run \`npm ci\` first`));
    });
    child.on("close", (code) => {
      if (code === 0) resolve(output);
      else
        reject(
          new CommandError(
            said
              .trim()
              .replace(/^error: /, "")
              .replace(/\s*\n\s*/g, " "),
          ),
        );
    });
  });
}
