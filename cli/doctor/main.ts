// `npm run doctor`: what is well and what is wrong with a deployed site, seen from here, on the host and through
// Cloudflare. Changes nothing.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { sitesOf } from "../../settings/topology.ts";
import { CommandError, runCommand } from "../lib/command.ts";
import { apiReader } from "./cloudflare/api.ts";
import { examine } from "./examine.ts";
import { exitStatus } from "./finding.ts";
import { parseDetour } from "./network.ts";
import { json, table } from "./report.ts";
import { askAgent } from "../lib/ssh.ts";
import { readStack } from "./stack.ts";

const USAGE = `usage: npm run doctor -- [--stack NAME] [--json] …

  --stack NAME               stack to look at; default: the selected one
  --json                     print one JSON object instead of the table
  --connect-to H1:P1:H2:P2   have connections to host H1, port P1 go to H2, port P2, as in curl; may be repeated
  --cacert FILE              believe the authorities in this PEM file too

Exit status: 0 all is well, 1 something is wrong, 2 something could not be checked.`;

// What keeps it from looking at all is not a finding.
await runCommand(main, 2);

async function main(): Promise<number> {
  const options = readArguments();
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const started = performance.now();
  const { settings, outputs } = await readStack(options.stack);
  const findings = await examine({
    settings,
    outputs,
    network: { detours: options.detours, ca: options.ca },
    api: apiReader(settings.apiUrl, settings.apiToken),
    askHost: (host, payload) => askAgent({ ...host, sshPrivateKey: settings.sshPrivateKey }, "doctor", payload),
  });
  const sites = sitesOf(settings).map(({ hostname }) => hostname);
  const diagnosis = { sites, findings, seconds: (performance.now() - started) / 1000 };
  console.log(options.json ? json(diagnosis) : table(diagnosis, process.stdout));
  return exitStatus(findings);
}

function readArguments() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        stack: { type: "string", short: "s" },
        json: { type: "boolean", default: false },
        "connect-to": { type: "string", multiple: true, default: [] },
        cacert: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
  } catch (error) {
    throw new CommandError(`${(error as Error).message}\n\n${USAGE}`);
  }
  const detours = values["connect-to"].map((text) => {
    const detour = parseDetour(text);
    if (!detour) throw new CommandError(`--connect-to ${text} is not of the form HOST1:PORT1:HOST2:PORT2`);
    return detour;
  });
  return { ...values, detours, ca: values.cacert === undefined ? undefined : readFile(values.cacert) };
}

function readFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CommandError(`--cacert: ${(error as Error).message}`);
  }
}
