// `npm run doctor`: checks a deployed stack from here, on the host and through Cloudflare. Changes nothing.
import { readFileSync } from "node:fs";
import { sitesOf } from "../../settings/topology.ts";
import { CommandError, runTool, type Values } from "../lib/command.ts";
import { apiReader } from "./cloudflare/api.ts";
import { examine } from "./examine.ts";
import { exitStatus } from "./finding.ts";
import { parseDetour } from "../../components/site-check/network.ts";
import { json, table } from "./report.ts";
import { askAgent } from "../lib/ssh.ts";
import { lookUpAt, parseResolver } from "../lib/public-name.ts";
import { readStack } from "./stack.ts";

const DOCTOR = {
  name: "doctor",
  summary: `Checks a deployed stack from here, on its hosts and through Cloudflare, and says what is wrong and how to fix
it. Changes nothing.`,
  options: {
    stack: { type: "string", short: "s", value: "NAME", help: "stack to check; default: the selected one" },
    json: { type: "boolean", default: false, help: "print one JSON object instead of the table" },
    "fail-on-due": { type: "boolean", default: false, help: "exit with 1 also if something is due for renewal" },
    "connect-to": {
      type: "string",
      multiple: true,
      value: "H1:P1:H2:P2",
      help: "send connections for host H1, port P1 to H2, port P2, as curl does",
    },
    resolver: {
      type: "string",
      value: "ADDRESS",
      help: "DNS server that is asked for originName, like 1.1.1.1; default: this machine's",
    },
    cacert: { type: "string", value: "FILE", help: "trust the certificate authorities (CAs) in this PEM file" },
  },
  notes: "Exit status: 0 nothing is wrong, warnings aside, 1 something is wrong, 2 something could not be checked.",
  // A problem that prevents all checks is not a finding, so it does not exit with 1.
  failure: 2,
} as const;

await runTool(DOCTOR, async (values) => {
  const options = parseOptions(values);
  const started = performance.now();
  const { settings, outputs } = await readStack(options.stack);
  const findings = await examine({
    settings,
    outputs,
    network: { detours: options.detours, ca: options.ca },
    api: apiReader(settings.apiUrl, settings.apiToken),
    lookUp: lookUpAt(options.resolver),
    askHost: (host, payload) => askAgent({ ...settings, ...host }, "doctor", payload),
  });
  const sites = sitesOf(settings).map(({ hostname }) => hostname);
  const diagnosis = { sites, findings, seconds: (performance.now() - started) / 1000, failOnDue: options.failOnDue };
  console.log(options.json ? json(diagnosis) : table(diagnosis, process.stdout));
  return exitStatus(findings, options.failOnDue);
});

function parseOptions(values: Values<typeof DOCTOR.options>) {
  const detours = (values["connect-to"] ?? []).map((text) => {
    const detour = parseDetour(text);
    if (!detour) throw new CommandError(`--connect-to ${text} is not of the form HOST1:PORT1:HOST2:PORT2`);
    return detour;
  });
  return {
    stack: values.stack,
    json: values.json,
    failOnDue: values["fail-on-due"],
    detours,
    resolver: parseResolver(values.resolver),
    ca: values.cacert === undefined ? undefined : readFile(values.cacert),
  };
}

function readFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CommandError(`--cacert: ${(error as Error).message}`);
  }
}
