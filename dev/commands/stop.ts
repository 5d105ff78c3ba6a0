// `npm stop`: takes the sandbox down, or what is left of it. Its state stays in .state/ for the next start.
import { stopSandbox } from "../sandbox/lifecycle.ts";
import { continueAsRoot } from "../sandbox/prerequisites.ts";
import { command, projectDir, report } from "./terminal.ts";

const usage = `usage: npm stop

Takes down the sandbox of this checkout. Its state stays in .state/ for the next npm start; without that folder it
begins anew.`;

await command({ usage }, async () => {
  continueAsRoot("The sandbox");
  await stopSandbox({ projectDir, report });
  report("Nothing of the sandbox runs any more. npm start brings it back as it was; without .state/ it begins anew.");
  return 0;
});
