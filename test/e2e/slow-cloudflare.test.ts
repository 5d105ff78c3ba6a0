import { afterAll, beforeAll, expect, test } from "vitest";
import type { Options } from "../../dev/sandbox/api/state.ts";
import { failures, startProber } from "./support/prober.ts";
import type { Outcome } from "./support/deployment.ts";
import { type Outputs, SITE, startWorld, type World } from "./support/world.ts";

// A Cloudflare that takes its time, as the real one does: each operation ends well in one go.

/** Long enough that each of them would be met, or refused, by an engine that does not wait. */
const SLOW: Partial<Options> = {
  origin_pull_activation_ms: 4000,
  origin_pull_association_ms: 4000,
  origin_pull_deletion_ms: 3000,
  access_policy_ms: 5000,
  access_enforcement_ms: 20_000,
};
const ALBUM = "album.home.localhost";

let world: World;

beforeAll(async () => {
  world = await startWorld();
  await world.api.alter({ options: SLOW });
  await world.deployment.configure({ devices: [] });
});
afterAll(() => world.close());

/** Runs an operation while strangers try to reach Immich. */
async function watched(operation: () => Promise<Outcome>): Promise<Outcome> {
  const prober = startProber(world.sandbox, SITE);
  const [ended] = await Promise.allSettled([operation()]);
  const steps = ended.status === "fulfilled" ? ended.value.steps : [];
  const attempts = await prober.stop();
  if (ended.status === "rejected") throw ended.reason;
  expect(failures(attempts, steps)).toEqual([]);
  return ended.value;
}

const up = () => watched(() => world.deployment.up());
const state = () => world.api.state();
const pinged = async (device: string) => {
  const { devices } = await world.deployment.outputs<Outputs>();
  return (await world.visit("/api/server/ping", devices[device])).status;
};

test("the first up without devices comes to its end, and nobody reaches Immich before Access is in force", async () => {
  const { output } = await up();
  expect(output).toContain("does not know a policy yet that was just created");
  expect(output).not.toContain("does not answer as it should");
  const { access_apps, access_policies } = await state();
  expect(access_apps).toMatchObject([{ service_auth_401_redirect: false }]);
  expect(access_policies.map(({ decision }) => decision)).toEqual(["allow"]);
});

test("the first device is added by one up, and the last one removed by another", async () => {
  await world.deployment.configure({ devices: ["phone"] });
  await up();
  expect(await pinged("phone")).toBe(200);
  await world.deployment.configure({ devices: [] });
  await up();
  expect((await state()).access_policies.map(({ decision }) => decision)).toEqual(["allow"]);
  await world.deployment.configure({ devices: ["phone"] });
  await up();
});

test("a renewed origin-pull certificate replaces the former one, which is deleted only when nothing presents it", async () => {
  await world.deployment.configure({ certificateValidityDays: 90 });
  const { output } = await up();
  expect(output).toContain(`Cloudflare is activating the origin pulls of ${SITE}`);
  expect(await pinged("phone")).toBe(200);
  const { hostname_certificates, hostnames } = (await state()).zones[0]?.origin_pulls ?? {};
  expect(hostname_certificates).toHaveLength(1);
  expect(hostnames).toMatchObject([{ hostname: SITE, cert_id: hostname_certificates?.[0]?.id }]);
});

test("a second site is added by one up and removed by another", async () => {
  const more = [{ hostname: ALBUM, immichUpstream: "127.0.0.1:2283", emails: ["ben@example.com"], devices: ["frame"] }];
  await world.deployment.configure({ moreSites: more });
  await up();
  await world.deployment.configure({ moreSites: [] });
  const { output } = await up();
  expect(output).toContain("waiting until Cloudflare no longer presents the origin-pull certificate");
  const { access_apps, zones } = await state();
  expect(access_apps).toHaveLength(1);
  expect(zones[0]?.origin_pulls.hostname_certificates).toHaveLength(1);
});

test("one destroy removes everything, and a stack can be deployed again at once", async () => {
  await watched(() => world.deployment.destroy());
  const { access_apps, access_policies, dns_records, zones } = await state();
  expect([access_apps, access_policies, dns_records]).toEqual([[], [], []]);
  expect(zones[0]?.origin_pulls).toMatchObject({ hostname_certificates: [], hostnames: [] });
  await up();
  expect(await pinged("phone")).toBe(200);
});
