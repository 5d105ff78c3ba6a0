import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { vi } from "vitest";
import { subjectsOf } from "../../../cli/doctor/subjects.ts";
import type { StepName } from "../../../components/origin-host/payload.ts";
import { checkSettings } from "../../../settings/check.ts";
import { PYTHON } from "../../support/python.ts";
import { GOOD, HOST_KEY } from "./configuration.ts";
import { ofType, request, run } from "./program.ts";

/** A step with what it is told. */
export type ToldStep = [step: StepName, payload: unknown];

const ALBUM = {
  hostname: "album.example.com",
  immichUpstream: "127.0.0.1:2284",
  emails: ["bert@example.com"],
  devices: ["berts-phone"],
};
const SECOND = {
  sshAddress: "203.0.113.20",
  sshHostKey: HOST_KEY,
  originAddresses: ["203.0.113.20"],
  immichUpstream: "192.168.1.7:2283",
};

/** Changes of a good configuration, each of which makes another kind of payload. */
const CONFIGURATIONS: readonly Readonly<Record<string, string>>[] = [
  {},
  { originJwtCheck: "false", teamDomain: "" },
  { originPulls: "zone" },
  { originPort: "8443" },
  { originPulls: "shared" },
  { immichUpstream: "192.168.1.7:2283" },
  { immichUpstream: "[::1]:2283", homeNetworks: JSON.stringify(["192.168.1.0/24", "fd00:1::/64"]) },
  { publicShareHostname: "shares.example.com" },
  { moreSites: JSON.stringify([ALBUM]) },
  { moreHosts: JSON.stringify([SECOND]) },
  {
    publicShareHostname: "shares.example.com",
    moreSites: JSON.stringify([ALBUM]),
    moreHosts: JSON.stringify([SECOND]),
  },
];

/** Every payload that the program and its tools send in these configurations. */
export async function allPayloads(): Promise<ToldStep[]> {
  const told: ToldStep[] = [
    ["survey", { hostname: "photos.example.com", sshPort: 22, keepOpen: ["51820/udp"], originPort: 443 }],
    ["survey", { hostname: "photos.example.com", sshPort: 22, keepOpen: [], originPort: 8443 }],
  ];
  // Another port than 443 asks Cloudflare first whether the zone has room for its rules.
  vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ success: true, result: { rules: [] } })));
  for (const changes of CONFIGURATIONS) {
    await run(changes);
    for (const command of ofType("remote:Command")) {
      const { payload } = request(command);
      for (const run of ["create", "delete"]) {
        const step = (command.inputs[run] as string | undefined)?.split(" ").at(-1);
        if (step !== undefined) told.push([step as StepName, payload]);
      }
    }
    const { values, problems } = checkSettings({ ...GOOD, ...changes });
    if (!values) throw new Error(problems.join("\n"));
    told.push(...subjectsOf(values, undefined).hosts.map(({ payload }): ToldStep => ["doctor", payload]));
  }
  vi.unstubAllGlobals();
  return told;
}

const HOST = join(import.meta.dirname, "../../../host");

/** Payloads with the text of the payload.schema.json by which they are read. */
export interface Case {
  payloads: readonly ToldStep[];
  schema: string;
}

/** Has the agent read payloads, as far as that needs no host. Tells for each case why it cannot; null if it can. */
export function readByAgent(cases: readonly Case[]): (string | null)[] {
  const stdout = execFileSync(PYTHON, ["-B", "-m", "tests.check_payloads"], {
    cwd: HOST,
    input: JSON.stringify(cases),
    encoding: "utf8",
  });
  return JSON.parse(stdout) as (string | null)[];
}
