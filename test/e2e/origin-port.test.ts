import { afterAll, beforeAll, expect, test } from "vitest";
import type { OriginRule } from "../../dev/sandbox/api/state.ts";
import { PROGRAM_PERMISSIONS } from "../../dev/sandbox/api/tokens.ts";
import type { Outcome } from "./support/deployment.ts";
import { failures, startProber } from "./support/prober.ts";
import { whileVisited } from "./support/visitor.ts";
import { type Outputs, SITE, startWorld, type World } from "./support/world.ts";

// A host whose port 443 belongs to another program: the site is served on another port, to which an origin rule leads
// Cloudflare, and the port changes while visitors come.

let world: World;

beforeAll(async () => {
  world = await startWorld();
  await useToken([...PROGRAM_PERMISSIONS, "Origin Write"]);
});
afterAll(() => world.close());

let token: string;
async function useToken(permissions: readonly string[]) {
  ({ token } = await world.api.createToken({ name: "origin rules", permissions: [...permissions] }));
  await world.deployment.configure({}, { apiToken: token });
}

const onHost = async (...command: string[]) => (await world.sandbox.runOnHost(command)).stdout;

const OWNERS = "http_request_origin of the owner";
const rule = (ref: string, expression: string, port: number): OriginRule => ({
  id: ref.padEnd(32, "0"),
  ref,
  version: "1",
  description: "",
  expression,
  action: "route",
  action_parameters: { origin: { port } },
  enabled: true,
  last_updated: "2026-01-01T00:00:00Z",
});
const OWN = [
  rule("a1", 'http.host eq "other.home.localhost"', 9000),
  rule("a2", 'http.host in {"x.home.localhost"}', 9001),
];

async function alterRulesets(rules: OriginRule[] | undefined) {
  const { zones } = await world.api.state();
  const [zone, ...others] = structuredClone(zones);
  if (!zone) throw new Error("the account has no zone");
  zone.rulesets =
    rules === undefined
      ? []
      : [{ id: "e".repeat(32), name: OWNERS, kind: "zone", phase: "http_request_origin", version: "1", rules }];
  await world.api.alter({ zones: [zone, ...others] });
}
const rulesets = async () => (await world.api.state()).zones[0]?.rulesets ?? [];
const ourRules = async () => (await rulesets()).flatMap(({ rules }) => rules).filter(({ ref }) => !/^a\d/.test(ref));

/** The ports that ufw opens to Cloudflare. */
async function openPorts() {
  const status = await onHost("ufw", "status");
  return [...new Set([...status.matchAll(/^(\d+)\/tcp.*# immich-access: Cloudflare/gm)].map(([, port]) => port))];
}
/** The ports on which nginx listens, but for that of its default page. */
async function nginxPorts() {
  const listening = await onHost("ss", "-Hltnp");
  const ports = [...listening.matchAll(/:(\d+) .*"nginx"/g)].map(([, port]) => port);
  return [...new Set(ports)].filter((port) => port !== "80").sort();
}
const pinged = async () => {
  const { devices } = await world.deployment.outputs<Outputs>();
  return (await world.visit("/api/server/ping", devices["annas-phone"])).status;
};
const stopped = async (act: () => Promise<Outcome>) => act().then(({ output }) => output, String);

test("up names who has port 443, and the way out", async () => {
  await onHost("systemd-run", "--unit=proxy", "python3", "-m", "http.server", "443", "--directory", "/usr/share/nginx");
  await expect.poll(() => onHost("ss", "-Hltn", "sport = 443")).toContain("443");
  const said = await stopped(() => world.deployment.up());
  expect(said).toContain("python3 (proxy.service) has port 443, on which nginx must serve the site");
  expect(said).toContain("`pulumi config set originPort 8443`");
  expect(said).toContain("nothing has been changed");
});

test("ten origin rules of the owner's stop an up before it changes anything", async () => {
  await world.deployment.configure({ originPort: 8443, keepOpen: ["443/tcp"] });
  await alterRulesets(Array.from({ length: 10 }, (_, index) => rule(`a${index.toString()}`, "true", 9000)));
  const before = await world.api.requests();
  const said = await stopped(() => world.deployment.up());
  expect(said).toContain("the zone has 10 origin rules of its own and may have 10");
  expect(said).toContain("pulumi config rm originPort");
  const asked = (await world.api.requests(before.at(-1)?.id)).filter(({ method }) => method !== "GET");
  expect(asked).toEqual([]);
});

test("the site answers on another port, and neither the other program nor the owner's rules notice", async () => {
  await alterRulesets(OWN);
  const prober = startProber(world.sandbox, SITE, [443, 8443, 9443]);
  const outcome = await world.deployment.up();
  expect(failures(await prober.stop(), outcome.steps)).toEqual([]);
  expect(await pinged()).toBe(200);
  expect(await openPorts()).toEqual(["8443"]);
  expect(await nginxPorts()).toEqual(["8443"]);
  expect(await onHost("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://198.51.100.10:443/")).toBe("200");
  const [entryPoint] = await rulesets();
  expect(entryPoint?.rules.slice(0, 2)).toEqual(OWN);
  expect(entryPoint?.rules[2]).toMatchObject({
    expression: `http.host eq "${SITE}"`,
    action_parameters: { origin: { port: 8443 } },
    description: `immich-access: ${SITE} on port 8443`,
    enabled: true,
  });
  const order = ["nginx-command", `${SITE}-origin-rule-command`, `${SITE}-dns-a-198-51-100-10`];
  const steps = order.map((name) => outcome.steps.find((step) => step.name === name));
  expect(steps[0]?.done).toBeLessThan(steps[1]?.began ?? 0);
  expect(steps[1]?.done).toBeLessThan(steps[2]?.began ?? 0);
  expect((await world.deployment.preview({ refresh: true, expectNoChanges: true })).steps).toEqual([]);
});

test("the token is in no plain text of the state", async () => {
  expect(await world.deployment.exportState()).not.toContain(token);
});

test.each([
  [9443, true],
  [443, false],
  [8443, true],
])("a change to port %i converges in one up, exposes nothing and interrupts nobody", async (port, hasRule) => {
  await onHost("systemctl", "stop", "proxy");
  await world.deployment.configure({ originPort: port, keepOpen: [] });
  const prober = startProber(world.sandbox, SITE, [443, 8443, 9443]);
  const { outcome, bad, visits } = await whileVisited(world, () => world.deployment.up());
  expect(failures(await prober.stop(), outcome.steps)).toEqual([]);
  expect(visits).toBeGreaterThan(10);
  expect(bad).toEqual([]);
  expect(await openPorts()).toEqual([port.toString()]);
  expect(await nginxPorts()).toEqual([port.toString()]);
  expect((await ourRules()).map((one) => one.action_parameters.origin.port)).toEqual(hasRule ? [port] : []);
  expect((await rulesets())[0]?.rules.slice(0, 2)).toEqual(OWN);
  expect((await world.deployment.up()).steps).toEqual([]);
});

test("hostRevision puts back a rule that somebody has changed or deleted", async () => {
  const { zones } = await world.api.state();
  const changed = (zones[0]?.rulesets?.[0]?.rules ?? []).map((one) => ({ ...one, enabled: false }));
  await alterRulesets([...changed.slice(0, 2), ...changed.slice(2).map((one) => ({ ...one, id: "f".repeat(32) }))]);
  await world.deployment.configure({ hostRevision: 1 });
  await world.deployment.up();
  expect(await ourRules()).toMatchObject([{ id: "f".repeat(32), enabled: true }]);
  await alterRulesets(OWN);
  await world.deployment.configure({ hostRevision: 2 });
  await world.deployment.up();
  expect(await ourRules()).toMatchObject([{ action_parameters: { origin: { port: 8443 } } }]);
});

test("a destroy leaves the owner's rules and none of ours, with the name gone before its rule", async () => {
  const outcome = await world.deployment.destroy();
  const at = (name: string) => outcome.steps.find((step) => step.name === name);
  expect(at(`${SITE}-dns-a-198-51-100-10`)?.done).toBeLessThan(at(`${SITE}-origin-rule-command`)?.began ?? 0);
  expect((await rulesets()).map(({ name, rules }) => [name, rules])).toEqual([[OWNERS, OWN]]);
  expect(await openPorts()).toEqual([]);
});

test("an entry point that the program has made goes with its last rule", async () => {
  await alterRulesets(undefined);
  await world.deployment.up();
  expect((await rulesets()).map(({ name, rules }) => [name, rules.length])).toEqual([["immich-access", 1]]);
  await world.deployment.destroy();
  expect(await rulesets()).toEqual([]);
});

test("a token without the permission stops an up before it changes anything", async () => {
  await useToken(PROGRAM_PERMISSIONS);
  expect(await stopped(() => world.deployment.up())).toContain('add "Origin Rules > Edit" for the zone to it');
});
