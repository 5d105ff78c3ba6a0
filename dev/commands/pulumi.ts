// `npm run pulumi -- …`: the Pulumi CLI on the dev stack, for instance `npm run pulumi -- preview --diff`.
import { resolveToolchain } from "../toolchain/index.ts";
import { continueAsRoot } from "../sandbox/prerequisites.ts";
import { DevStack } from "./stack.ts";
import { command, projectDir, report, stateDir } from "./terminal.ts";

// All arguments are the CLI's, --help too.
await command({ usage: "", args: [] }, async () => {
  const toolchain = await resolveToolchain({ projectDir, stateDir, report });
  continueAsRoot("The dev stack, whose state npm start writes as root,");
  return new DevStack({ projectDir, stateDir, toolchain }).interactive(process.argv.slice(2));
});
