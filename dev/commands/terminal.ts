import { join } from "node:path";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { CommandError } from "../../cli/lib/command.ts";
import { ToolchainError } from "../toolchain/index.ts";
import { SandboxError } from "../sandbox/error.ts";

/** The checkout, and where everything lies that is made in it. */
export const projectDir = join(import.meta.dirname, "../..");
export const stateDir = join(projectDir, ".state");

/** Progress goes to standard error: standard output is for what a command was asked for. */
export const report = (line: string): void => {
  console.error(line);
};

/** A wrong command line. */
export class UsageError extends Error {}

/** Exit status after one. */
const MISUSED = 2;

const HELP = { help: { type: "boolean", short: "h" } } as const;

/** What a command reads from its command line, beside `--help`. */
export interface CommandLine<Options extends ParseArgsOptionsConfig> {
  /** What `--help` prints. */
  usage: string;
  /** As `parseArgs` takes them. Default: none. */
  options?: Options;
  /** What the words that are no options are called, and which there are if not any will do. Default: no words. */
  words?: { what: string; known?: readonly string[] };
  /** What to read. Default: this process's arguments. */
  args?: readonly string[];
}

type Given<Options extends ParseArgsOptionsConfig> = Partial<
  ReturnType<typeof parseArgs<{ options: Options; strict: true }>>["values"]
>;

/**
 * Runs a command's work; its result is the exit status. `--help` prints the usage instead. A problem that the user can
 * solve is one line and status 1; a command line that is not understood is one line, the usage and status 2.
 */
export async function command<Options extends ParseArgsOptionsConfig = Record<never, never>>(
  line: CommandLine<Options>,
  work: (words: string[], values: Given<Options>) => Promise<number>,
): Promise<void> {
  try {
    const { words, values } = read(line);
    if ("help" in values) console.log(line.usage);
    else process.exitCode = await work(words, values);
  } catch (error) {
    if (isUsage(error)) {
      console.error(`${error.message}\n\n${line.usage}`);
      process.exitCode = MISUSED;
      return;
    }
    if (![ToolchainError, SandboxError, CommandError].some((known) => error instanceof known)) throw error;
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}

function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}

function read<Options extends ParseArgsOptionsConfig>({ options, words, args }: CommandLine<Options>) {
  const { values, positionals } = parseArgs({
    args: args && [...args],
    options: { ...options, ...HELP },
    allowPositionals: words !== undefined,
  });
  const strange = positionals.find((word) => words?.known && !words.known.includes(word));
  if (strange !== undefined) {
    throw new UsageError(
      `there is no ${words?.what} ${JSON.stringify(strange)}; there are ${words?.known?.join(", ")}`,
    );
  }
  return { words: positionals, values: values as Given<Options> };
}
