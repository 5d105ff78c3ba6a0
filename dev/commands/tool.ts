// `npm run dev -- card --device annas-phone`: a command line tool of cli/ on the dev stack.
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { resolveToolchain } from "../toolchain/index.ts";
import { startSandbox } from "../sandbox/lifecycle.ts";
import { continueAsRoot } from "../sandbox/prerequisites.ts";
import { connectTo, hostnamesOf } from "./connect-to.ts";
import { DevStack } from "./stack.ts";
import { command, projectDir, report, stateDir, UsageError } from "./terminal.ts";

const tools = globSync("*/main.ts", { cwd: join(projectDir, "cli") })
  .map(dirname)
  .sort();

const usage = `usage: npm run dev -- TOOL [ARGUMENT …]

Runs a tool on the stack that npm start deploys in the sandbox: ${tools.join(", ")}.
The arguments are the tool's own.`;

const [first, ...args] = process.argv.slice(2);
const line = { usage, words: { what: "tool", known: tools }, args: first === undefined ? [] : [first] };
await command(line, async ([name]) => {
  if (name === undefined) throw new UsageError(`name a tool; there are ${tools.join(", ")}`);
  const toolchain = await resolveToolchain({ projectDir, stateDir, report });
  continueAsRoot("The dev stack, whose state npm start writes as root,");
  const stack = new DevStack({ projectDir, stateDir, toolchain });
  // Only the doctor talks to the site, which is not on this machine's internet.
  return stack.tool(name, name === "doctor" ? [...(await waysToSandbox(stack)), ...args] : args);
});

async function waysToSandbox(stack: DevStack): Promise<string[]> {
  const sandbox = await startSandbox({ projectDir, report });
  return ["--cacert", sandbox.publicCaPath, ...connectTo(sandbox, hostnamesOf(await stack.outputs()))];
}
