// `npm start`: from a clone to a protected site. Everything that is missing is installed, the sandbox is started, the
// real `pulumi up` runs on the dev stack, and the result is shown and probed.
import { resolveToolchain } from "../toolchain/index.ts";
import { sandboxApi } from "../sandbox/api/client.ts";
import { AS_MEASURED, PROMPT } from "../sandbox/api/world.ts";
import { startSandbox } from "../sandbox/lifecycle.ts";
import { continueAsRoot, requireLinux } from "../sandbox/prerequisites.ts";
import { runProbes } from "./probes.ts";
import { sandboxSettings } from "./sandbox-settings.ts";
import { DevStack } from "./stack.ts";
import { summary, type DevOutputs } from "./summary.ts";
import { command, projectDir, report, stateDir } from "./terminal.ts";

const usage = `usage: npm start [-- --as-measured]

Starts a local Cloudflare and a Debian host in network namespaces, runs pulumi up on them, and shows and probes the
site. What is missing is installed first. npm stop takes everything down, npm run pulumi and npm run dev work with it.

  --as-measured  the local Cloudflare takes as long for everything as the real one was measured to: a first up of some
                 four minutes. Without it, it is prompt again.`;

const options = { "as-measured": { type: "boolean" } } as const;
await command({ usage, options }, async (_words, { "as-measured": asMeasured = false }) => {
  requireLinux();
  // Before going on as root, so that the built CLI is the user's.
  const toolchain = await resolveToolchain({ projectDir, stateDir, report });
  continueAsRoot("The sandbox");
  report(toolchain.line);
  const sandbox = await startSandbox({ projectDir, report });
  await sandboxApi(stateDir).alter({ options: asMeasured ? AS_MEASURED : PROMPT });
  const stack = new DevStack({ projectDir, stateDir, toolchain });
  const usually = asMeasured ? "4 minutes" : "15 s";
  report(`Running pulumi up on the dev stack (usually ${usually} the first time, 5 s when nothing changes)`);
  await stack.prepare(sandboxSettings(sandbox));
  const code = await stack.up();
  if (code !== 0) {
    report("pulumi up failed; see its output above. The sandbox keeps running: fix the cause and run npm start again.");
    return code;
  }
  const outputs = (await stack.outputs()) as unknown as DevOutputs;
  const hostname = new URL(outputs.url).hostname;
  const probes = await runProbes(sandbox, hostname, Object.values(outputs.devices)[0]);
  console.log(
    summary({
      outputs,
      probes,
      browserUrl: sandbox.browserUrl(hostname),
      statusUrl: sandbox.statusUrl,
      publicCaPath: sandbox.publicCaPath,
    }),
  );
  return probes.every(({ ok }) => ok) ? 0 : 1;
});
