import { spawn } from "node:child_process";
import { CommandError } from "./command.ts";
import { settingsPrefix } from "./project.ts";
import { pulumiCommand } from "./pulumi-command.ts";

/** Options for a command of the Pulumi CLI. */
export interface Run {
  /** Its standard input, which other users of the machine cannot see; empty by default. */
  input?: string;
  /** Added to the environment. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Runs a command of the Pulumi CLI on the PATH non-interactively, and returns its standard output.
 *
 * @throws CommandError with the CLI's own message in one line, or if there is no CLI
 */
export function capture(args: readonly string[], { input = "", env = {} }: Run = {}): Promise<string> {
  const { file, first } = pulumiCommand();
  const child = spawn(file, [...first, ...args, "--non-interactive"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  // Writing fails if the CLI has exited early; its exit status tells why.
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

/**
 * The program's settings by key from the output of `pulumi config --json`; lists and objects as JSON. They include
 * secrets if the CLI was told to show them.
 */
export function settingTexts(config: string): Record<string, string> {
  const prefix = settingsPrefix();
  const all = JSON.parse(config) as Record<string, { value?: string; objectValue?: unknown }>;
  return Object.fromEntries(
    Object.entries(all)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, { value, objectValue }]) => [key.slice(prefix.length), value ?? JSON.stringify(objectValue)]),
  );
}
