import { join } from "node:path";
import { run } from "../../../dev/sandbox/run.ts";
import type { CommandResult } from "../../../dev/sandbox/sandbox.ts";
import { connectTo } from "../../../dev/commands/connect-to.ts";
import { type Deployment, PROJECT } from "../../e2e/support/deployment.ts";
import { SITE, type World } from "../../e2e/support/world.ts";

/** Runs a command line tool of the project on a stack, as npm does. */
export function runCli(deployment: Deployment, tool: string, args: readonly string[]): Promise<CommandResult> {
  const { workDir, envVars } = deployment.stack.workspace;
  const program = join(PROJECT, "cli", tool, "main.ts");
  return run(["env", "-C", workDir, process.execPath, program, ...args], { env: envVars, timeout: 120_000 });
}

/** What the doctor says of the agent on the host, which it only knows if it gets there. */
export async function agentFinding({ deployment, sandbox }: World): Promise<unknown> {
  const trust = ["--cacert", sandbox.publicCaPath];
  const args = ["--stack", "test", ...trust, "--json", ...connectTo(sandbox, [SITE])];
  const { stdout, stderr } = await runCli(deployment, "doctor", args);
  if (stdout === "") throw new Error(stderr);
  const { findings } = JSON.parse(stdout) as { findings: { id: string }[] };
  return findings.find(({ id }) => id === "host-agent") ?? findings;
}
