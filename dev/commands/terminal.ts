import { join } from "node:path";
import { ToolchainError } from "../toolchain/index.ts";
import { SandboxError } from "../sandbox/error.ts";

/** The checkout, and where everything lies that is made in it. */
export const projectDir = join(import.meta.dirname, "../..");
export const stateDir = join(projectDir, ".state");

/** Progress goes to standard error: standard output is for what a command was asked for. */
export const report = (line: string): void => {
  console.error(line);
};

/** Runs a command's work; its result is the exit status. A problem that the user can solve is one line, status 1. */
export async function command(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    if (!(error instanceof ToolchainError || error instanceof SandboxError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
