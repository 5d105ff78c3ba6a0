import { afterAll, beforeAll, expect, test } from "vitest";
import { ORIGIN } from "../../dev/sandbox/network/network.ts";
import type { Outcome } from "./support/deployment.ts";
import { failures, startProber } from "./support/prober.ts";
import { changed } from "./support/running-site.ts";
import { type Outputs, SITE, startWorld, type World } from "./support/world.ts";

// A home whose address moves: the site follows a name that a DDNS client keeps. Each test continues the one before.

const NAME = "anna.ddns.example";
const BY_NAME = { originName: NAME, originAddresses: [] };
const BY_ADDRESS = { originName: "", originAddresses: [ORIGIN.ipv4, ORIGIN.ipv6] };
const BOTH = [`${SITE}-dns-a-198-51-100-10`, `${SITE}-dns-aaaa-2001-db8-77-10`];

let world: World;

beforeAll(async () => {
  world = await startWorld();
  await leads([ORIGIN.ipv4, ORIGIN.ipv6]);
});
afterAll(() => world.close());

/** What the DDNS client has last told the world. */
const leads = (addresses: string[]) => world.api.alter({ options: { public_names: { [NAME]: addresses } } });

const records = async () =>
  (await world.api.state()).dns_records.map(({ name, type, content, proxied }) => ({ name, type, content, proxied }));

const pinged = async () => {
  const { devices } = await world.deployment.outputs<Outputs>();
  return (await world.visit("/api/server/ping", devices["annas-phone"])).status;
};

/** Runs `up` with these settings while strangers try to reach Immich. */
async function up(settings: Readonly<Record<string, unknown>>): Promise<Outcome> {
  await world.deployment.configure(settings);
  const prober = startProber(world.sandbox, SITE);
  const [ended] = await Promise.allSettled([world.deployment.up()]);
  const attempts = await prober.stop();
  expect(failures(attempts, ended.status === "fulfilled" ? ended.value.steps : [])).toEqual([]);
  if (ended.status === "rejected") throw ended.reason;
  return ended.value;
}

/** Milliseconds in which the site's name had no record, by the API's journal since a request. */
async function gap(since: number): Promise<number> {
  const requests = (await world.api.requests(since)).filter(({ path }) => path.includes("/dns_records"));
  const at = (request: { at: string }) => Date.parse(request.at);
  const moved = requests.filter(({ method }) => method === "PATCH").at(-1);
  const made = requests.find(({ method }) => method === "POST");
  if (!moved || !made) throw new Error("no record was moved, or none was made");
  return at(made) - at(moved);
}

const lastRequest = async () => (await world.api.requests()).at(-1)?.id ?? 0;

test("a first up leads the site to the name by one proxied record, and it answers", async () => {
  await up(BY_NAME);
  expect(await records()).toEqual([{ name: SITE, type: "CNAME", content: NAME, proxied: true }]);
  expect(await pinged()).toBe(200);
  expect(changed(await world.deployment.up())).toEqual([]);
});

test("the address behind the name moves, and the site answers again without an up", async () => {
  await leads(["198.51.100.77"]);
  expect(await pinged()).toBeGreaterThanOrEqual(520);
  await leads([ORIGIN.ipv6]);
  expect(await pinged()).toBe(200);
  // Once Cloudflare asks again for the name.
  await world.api.alter({ options: { public_names_ttl_ms: 4000 } });
  expect(await pinged()).toBe(200);
  await leads([ORIGIN.ipv4]);
  await expect.poll(pinged, { timeout: 20_000, interval: 500 }).toBe(200);
  await world.deployment.preview({ refresh: true, expectNoChanges: true });
  await world.api.alter({ options: { public_names_ttl_ms: 0 } });
});

test("one up takes a live site from the name to addresses, and another one back", async () => {
  let since = await lastRequest();
  expect(changed(await up(BY_ADDRESS)).sort()).toEqual([...BOTH, `${SITE}-dns-cname`].sort());
  expect((await records()).map(({ type, content }) => `${type} ${content}`).sort()).toEqual([
    `A ${ORIGIN.ipv4}`,
    `AAAA ${ORIGIN.ipv6}`,
  ]);
  expect(await gap(since)).toBeLessThan(2000);
  expect(await pinged()).toBe(200);

  since = await lastRequest();
  expect(changed(await up(BY_NAME)).sort()).toEqual([...BOTH, `${SITE}-dns-cname`].sort());
  expect(await records()).toEqual([{ name: SITE, type: "CNAME", content: NAME, proxied: true }]);
  expect(await gap(since)).toBeLessThan(2000);
  expect(await pinged()).toBe(200);
});

test("a change that Cloudflare refuses leaves the site where it was, and the next up goes on", async () => {
  await world.api.fault({ method: "POST", path: "/dns_records$", outcome: "status", times: 0 });
  await expect(up(BY_ADDRESS)).rejects.toThrow("Fault injected by the sandbox");
  await world.api.clearFaults();
  expect(await records()).toEqual([{ name: SITE, type: "CNAME", content: NAME, proxied: true }]);
  expect(await pinged()).toBe(200);
  await up(BY_ADDRESS);
  expect((await records()).map(({ name }) => name)).toEqual([SITE, SITE]);
  await up(BY_NAME);
});

test("another name is a change in place", async () => {
  const other = "home.ddns.example";
  await world.api.alter({ options: { public_names: { [other]: [ORIGIN.ipv4] } } });
  const { steps } = await up({ originName: other });
  expect(steps.filter(({ type }) => type.startsWith("cloudflare:")).map(({ op, name }) => `${op} ${name}`)).toEqual([
    `update ${SITE}-dns-cname`,
  ]);
  expect(await pinged()).toBe(200);
});

test("up names error 1014 where the name is in another account's zone", async () => {
  await world.api.alter({ options: { foreign_zones: ["ddns.example"] } });
  const { output } = await up({ siteCheckSeconds: 3 });
  expect(output).toContain("error 1014");
  expect(output).toContain("set originName to a name of a DDNS service that is not on Cloudflare");
  await world.api.alter({ options: { foreign_zones: [] } });
});

test("a destroy removes the record", async () => {
  await world.deployment.destroy();
  expect(await records()).toEqual([]);
});
