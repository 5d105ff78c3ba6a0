import { join } from "node:path";
import { run } from "../../../dev/sandbox/run.ts";
import type { CommandResult } from "../../../dev/sandbox/sandbox.ts";
import { type Deployment, PROJECT } from "../../e2e/support/deployment.ts";

/** Runs a command line tool of the project on a stack, as npm does. */
export function runCli(deployment: Deployment, tool: string, args: readonly string[]): Promise<CommandResult> {
  const { workDir, envVars } = deployment.stack.workspace;
  const program = join(PROJECT, "cli", tool, "main.ts");
  return run(["env", "-C", workDir, process.execPath, program, ...args], { env: envVars, timeout: 120_000 });
}
