// `npm run dev -- card --device annas-phone`: a command line tool of cli/ on the dev stack.
import { resolveToolchain } from "../../toolchain/index.ts";
import { continueAsRoot } from "../prerequisites.ts";
import { DevStack } from "./stack.ts";
import { command, projectDir, report, stateDir } from "./terminal.ts";

await command(async () => {
  const toolchain = await resolveToolchain({ projectDir, stateDir, report });
  continueAsRoot("The dev stack, whose state npm start writes as root,");
  const [name = "", ...args] = process.argv.slice(2);
  return new DevStack({ projectDir, stateDir, toolchain }).tool(name, args);
});
