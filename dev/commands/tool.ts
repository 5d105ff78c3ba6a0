// `npm run dev -- card --device annas-phone`: a command line tool of cli/ on the dev stack.
import { resolveToolchain } from "../toolchain/index.ts";
import { startSandbox } from "../sandbox/lifecycle.ts";
import { continueAsRoot } from "../sandbox/prerequisites.ts";
import { connectTo, hostnamesOf } from "./connect-to.ts";
import { DevStack } from "./stack.ts";
import { command, projectDir, report, stateDir } from "./terminal.ts";

await command(async () => {
  const toolchain = await resolveToolchain({ projectDir, stateDir, report });
  continueAsRoot("The dev stack, whose state npm start writes as root,");
  const [name = "", ...args] = process.argv.slice(2);
  const stack = new DevStack({ projectDir, stateDir, toolchain });
  // Only the doctor talks to the site, which is not on this machine's internet.
  return stack.tool(name, name === "doctor" ? [...(await waysToSandbox(stack)), ...args] : args);
});

async function waysToSandbox(stack: DevStack): Promise<string[]> {
  const sandbox = await startSandbox({ projectDir, report });
  return ["--cacert", sandbox.publicCaPath, ...connectTo(sandbox, hostnamesOf(await stack.outputs()))];
}
