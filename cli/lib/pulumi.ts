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

/** Before each key of the program's settings. */
export const NAMESPACE = "immich-access:";

/**
 * The program's settings in what `pulumi config --json` prints, by key; lists and objects as JSON. Secrets are among
 * them if the CLI was to show them.
 */
export function settingTexts(config: string): Record<string, string> {
  const all = JSON.parse(config) as Record<string, { value?: string; objectValue?: unknown }>;
  return Object.fromEntries(
    Object.entries(all)
      .filter(([key]) => key.startsWith(NAMESPACE))
      .map(([key, { value, objectValue }]) => [key.slice(NAMESPACE.length), value ?? JSON.stringify(objectValue)]),
  );
}
