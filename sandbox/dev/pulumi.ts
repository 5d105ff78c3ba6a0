// `npm run pulumi -- …`: the Pulumi CLI on the dev stack, for instance `npm run pulumi -- preview --diff`.
import { join } from "node:path";
import { resolveToolchain } from "../../toolchain/index.ts";
import { DevStack } from "./stack.ts";

const projectDir = join(import.meta.dirname, "../..");
const stateDir = join(projectDir, ".state");
const toolchain = await resolveToolchain({
  projectDir,
  stateDir,
  report: (line) => {
    console.error(line);
  },
});
const stack = new DevStack({ projectDir, stateDir, toolchain });
process.exitCode = await stack.interactive(process.argv.slice(2));
