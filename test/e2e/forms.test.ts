import { afterAll, beforeAll, expect, test } from "vitest";
import { PROGRAM_PERMISSIONS } from "../../dev/sandbox/api/tokens.ts";
import { ORIGIN } from "../../dev/sandbox/network/network.ts";
import { failures, startProber } from "./support/prober.ts";
import { whileVisited } from "./support/visitor.ts";
import { type Outputs, SITE, startWorld, type World } from "./support/world.ts";

// A site can be reached by the host's addresses or by a name of a DDNS service, on port 443 or another. A live one goes
// from each form to each other. The changes of one thing alone, from the usual form, are in moving-address.test.ts and
// origin-port.test.ts; the way here has all others, once each.

const NAME = "anna.ddns.example";
const TARGETS = {
  addresses: { originName: "", originAddresses: [ORIGIN.ipv4, ORIGIN.ipv6] },
  name: { originName: NAME, originAddresses: [] },
};
type Form = [target: keyof typeof TARGETS, port: number];
const WAY: Form[] = [
  ["addresses", 443],
  ["name", 8443],
  ["name", 443],
  ["name", 8443],
  ["addresses", 8443],
  ["name", 443],
  ["addresses", 8443],
  ["name", 8443],
  ["addresses", 443],
];

let world: World;

beforeAll(async () => {
  world = await startWorld();
  await world.api.alter({ options: { public_names: { [NAME]: [ORIGIN.ipv4, ORIGIN.ipv6] } } });
  const { token } = await world.api.createToken({
    name: "origin rules",
    permissions: [...PROGRAM_PERMISSIONS, "Origin Write"],
  });
  await world.deployment.configure(TARGETS.addresses, { apiToken: token });
  await world.deployment.up();
});
afterAll(() => world.close());

const onHost = async (...command: string[]) => (await world.sandbox.runOnHost(command)).stdout;

/** Where the site's records lead, and on which ports ufw, nginx and Cloudflare's rule have it. */
async function found() {
  const { dns_records: records, zones } = await world.api.state();
  const status = await onHost("ufw", "status");
  const listening = await onHost("ss", "-Hltnp");
  const ports = (text: string, pattern: RegExp) => [
    ...new Set([...text.matchAll(pattern)].map(([, port]) => Number(port)).filter((port) => port !== 80)),
  ];
  return {
    records: records.map(({ content }) => content).sort(),
    ufw: ports(status, /^(\d+)\/tcp.*# immich-access: Cloudflare/gm),
    nginx: ports(listening, /:(\d+) .*"nginx"/g),
    rules: (zones[0]?.rulesets ?? []).flatMap(({ rules }) => rules.map((rule) => rule.action_parameters.origin.port)),
  };
}

const steps = WAY.slice(1).map((to, index) => [...(WAY[index] ?? to), ...to] as const);

test.each(steps)("one up takes a site from %s, port %i, to %s, port %i, and exposes nothing", async (...step) => {
  const [from, , target, port] = step;
  await world.deployment.configure({ ...TARGETS[target], originPort: port });
  const prober = startProber(world.sandbox, SITE, [443, 8443]);
  const { outcome, visits, bad } = await whileVisited(world, () => world.deployment.up());
  expect(failures(await prober.stop(), outcome.steps)).toEqual([]);
  expect(visits).toBeGreaterThan(10);
  // A name has either addresses or a CNAME, and for a moment neither (moving-address.test.ts measures it).
  if (target === from) expect(bad).toEqual([]);
  else expect(bad.length / visits).toBeLessThan(0.2);

  expect(await found()).toEqual({
    records: target === "name" ? [NAME] : [ORIGIN.ipv4, ORIGIN.ipv6].sort(),
    ufw: [port],
    nginx: [port],
    rules: port === 443 ? [] : [port],
  });
  const { devices } = await world.deployment.outputs<Outputs>();
  expect((await world.visit("/api/server/ping", devices["annas-phone"])).status).toBe(200);
  expect((await world.deployment.preview({ refresh: true, expectNoChanges: true })).steps).toEqual([]);
});

test("a destroy takes the site down", async () => {
  await world.deployment.destroy();
  expect(await found()).toEqual({ records: [], ufw: [], nginx: [], rules: [] });
});
