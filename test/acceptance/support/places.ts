import { CommandError } from "../../../cli/lib/command.ts";
import { asciiHostname } from "../../../settings/network.ts";
import type { Options } from "../../../dev/sandbox/api/state.ts";
import { DEV } from "../../../dev/sandbox/api/world.ts";
import { type Fixture, startFixtureWith } from "../../../dev/sandbox/test/edge-fixture.ts";
import { networkFromEnvironment } from "../../../components/site-check/network.ts";
import { Api } from "./api.ts";
import { NOWHERE, type Place } from "./laboratory.ts";
import { Witness } from "./witness.ts";

/** How a run ends early, and where its progress goes. */
export type Running = Pick<Place, "signal" | "report">;

/** Delays of a sandbox that are quick enough for every run, and slow enough to be noticed. */
export const NOTICEABLE: Partial<Options> = {
  origin_pull_activation_ms: 1500,
  origin_pull_association_ms: 1500,
  origin_pull_deletion_ms: 1500,
  access_enforcement_ms: 2500,
  access_policy_ms: 1500,
};

/** Starts the sandbox's API and edge, with an origin that writes down how it was asked. */
export async function startWitnessed() {
  let witness: Witness | undefined;
  const fixture = await startFixtureWith((options) => {
    witness = new Witness(options);
    return witness.server;
  });
  const close = () => {
    witness?.disconnect();
    return fixture.close();
  };
  return { ...fixture, witness, close };
}

/** The sandbox's API and edge, in this process. */
export async function sandboxPlace(
  { admin, api, edge, world }: Pick<Fixture, "admin" | "api" | "edge" | "world">,
  running: Running,
  witness?: Witness,
): Promise<Place> {
  const { token } = await admin.createToken({ name: "acceptance" });
  return {
    ...running,
    api: new Api(`http://127.0.0.1:${api.port.toString()}/client/v4`, token),
    network: {
      detours: [{ from: { host: undefined, port: 443 }, to: { host: "127.0.0.1", port: edge.httpsPorts[0] } }],
      ca: world.cas.publicCa.certificate,
    },
    zoneId: DEV.zone,
    accountId: DEV.account,
    zoneName: DEV.zoneName,
    origin: "127.0.0.1",
    witness,
    hasEngine: true,
    patience: 20_000,
    every: 200,
  };
}

/**
 * A zone of a tester.
 * @param zoneName in either spelling of an international name
 * @throws CommandError with what is wrong with the token or the zone
 */
export async function realPlace(
  apiUrl: string,
  token: string,
  zoneName: string,
  running: Running,
  origin?: { address: string; witness: Witness },
): Promise<Place> {
  const api = new Api(apiUrl, token);
  const zones = await api.list("/zones").catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(`${reason}. See that CLOUDFLARE_API_TOKEN is the whole token of the zone`);
  });
  const name = asciiHostname(zoneName).toLowerCase();
  const zone = zones.find((one) => asciiHostname(String(one.name)) === name);
  if (!zone) {
    const others = zones.map((one) => String(one.name)).join(", ") || "none";
    throw new CommandError(`the token can read no zone ${zoneName}, of all zones it reads: ${others}`);
  }
  const { id } = zone.account as { id: string };
  return {
    ...running,
    api,
    network: networkFromEnvironment(process.env),
    zoneId: String(zone.id),
    accountId: id,
    zoneName: name,
    origin: origin?.address ?? NOWHERE,
    witness: origin?.witness,
    hasEngine: true,
    patience: 300_000,
    every: 2000,
  };
}
