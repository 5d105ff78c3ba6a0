import { afterAll, beforeAll, expect, test } from "vitest";
import { PROGRAM_PERMISSIONS } from "../../dev/sandbox/api/tokens.ts";
import { connectTo } from "../../dev/commands/connect-to.ts";
import { runCli } from "../cli/support/cli.ts";
import type { Outcome } from "./support/deployment.ts";
import { SITE, startWorld, type World } from "./support/world.ts";

// Cloudflare tells by email before something ends. Each test continues the one before.

const TOKENS = "expiring_service_token_alert";
const PULLS = "hostname_aop_custom_certificate_expiration_type";

let world: World;
beforeAll(async () => {
  world = await startWorld();
  await world.deployment.configure({ notificationEmails: ["anna@example.com"] });
});
afterAll(() => world.close());

const policies = async () => (await world.api.state()).notification_policies ?? [];
const addresses = async () => (await policies()).map(({ mechanisms }) => mechanisms.email?.map(({ id }) => id));
const stopped = async (act: () => Promise<Outcome>) => act().then(({ output }) => output, String);
const steps = ({ steps: all }: Outcome) =>
  all
    .filter(({ type }) => !type.startsWith("immich-access:"))
    .map(({ op, name }) => `${op} ${name}`)
    .sort();

async function doctor() {
  const args = [
    "--stack",
    "test",
    "--cacert",
    world.sandbox.publicCaPath,
    "--json",
    ...connectTo(world.sandbox, [SITE]),
  ];
  const { stdout, stderr } = await runCli(world.deployment, "doctor", args);
  if (stdout === "") throw new Error(stderr);
  const { findings } = JSON.parse(stdout) as { findings: { id: string; status: string; says: string; fix?: string }[] };
  return findings.filter(({ id, status }) => id === "notifications" || status !== "ok");
}

test("a token without the permission is named before anything changes", async () => {
  const before = await world.api.state();
  const said = await stopped(() => world.deployment.up());
  expect(said).toContain("the API token may not set notifications. Add the permission Account, Notifications, Edit");
  expect(said).toContain("nothing has been changed");
  expect(await world.api.state()).toEqual(before);
});

test("an account that is not offered one of them is told what to set, and gets the other", async () => {
  const permissions = [...PROGRAM_PERMISSIONS, "Notifications Write"];
  const { token } = await world.api.createToken({ name: "notifications", permissions });
  await world.deployment.configure({}, { apiToken: token });
  await world.api.alter({ options: { unavailable_alerts: [TOKENS] } });
  const said = await stopped(() => world.deployment.preview());
  expect(said).toContain("Cloudflare offers this account no notification about service tokens");
  expect(said).toContain("`pulumi config set notificationTypes origin-pulls`");
  await world.deployment.configure({ notificationTypes: "origin-pulls" });
  await world.deployment.up();
  expect(await policies()).toMatchObject([{ alert_type: PULLS, enabled: true }]);
});

test("one that Cloudflare offers and refuses all the same is told in the same way, and the site is online", async () => {
  await world.api.alter({ options: { unavailable_alerts: [] } });
  const refusal = { status: 400, code: 17200, message: "account is not entitled" };
  await world.api.fault({ method: "POST", path: "/alerting/v3/policies$", outcome: "status", ...refusal });
  await world.deployment.configure({ notificationTypes: "all" });
  const said = await stopped(() => world.deployment.up());
  expect(said).toContain("account is not entitled");
  expect(said).toContain("The site is done, but not its notifications: Cloudflare offers this account no notification");
  expect((await world.visit("/")).status).toBe(302);
});

test("all of them are made, the doctor sees them, and a refresh finds no drift", async () => {
  expect(steps(await world.deployment.up())).toEqual([`create notifications-${TOKENS}`]);
  expect(new Set((await policies()).map(({ alert_type }) => alert_type))).toEqual(new Set([TOKENS, PULLS]));
  expect(await doctor()).toEqual([
    expect.objectContaining({ status: "ok", says: "service tokens and origin-pull certificate, to anna@example.com" }),
  ]);
  expect((await world.deployment.up()).steps).toEqual([]);
  await world.deployment.preview({ refresh: true, expectNoChanges: true });
});

test("another address is an update in place, in whatever order the API lists them", async () => {
  const before = (await policies()).map(({ id }) => id);
  await world.deployment.configure({ notificationEmails: ["bert@example.com", "anna@example.com"] });
  expect(steps(await world.deployment.up())).toEqual(
    [`update notifications-${TOKENS}`, `update notifications-${PULLS}`].sort(),
  );
  expect((await policies()).map(({ id }) => id)).toEqual(before);
  expect(await addresses()).toEqual([
    ["bert@example.com", "anna@example.com"],
    ["bert@example.com", "anna@example.com"],
  ]);
  const reordered = (await policies()).map((one) => ({
    ...one,
    mechanisms: { email: one.mechanisms.email?.toReversed() ?? [] },
  }));
  await world.api.alter({ notification_policies: reordered });
  await world.deployment.preview({ refresh: true, expectNoChanges: true });
});

test("what has been changed by hand is found by the doctor and put back by its remedy", async () => {
  const [first, ...others] = await policies();
  if (!first) throw new Error("there is no notification");
  const mechanisms = { email: [{ id: "eve@example.com" }] };
  await world.api.alter({ notification_policies: [{ ...first, enabled: false, mechanisms }, ...others] });
  expect(await doctor()).toEqual([
    expect.objectContaining({ status: "warning", says: `"${first.name}" is turned off`, fix: "pulumi up --refresh" }),
  ]);
  await world.deployment.refresh();
  await world.deployment.up();
  expect((await doctor()).map(({ status }) => status)).toEqual(["ok"]);
});

test("one whose creation was answered to nobody is not left over", async () => {
  await world.deployment.configure({ notificationTypes: "origin-pulls" });
  await world.deployment.up();
  await world.api.fault({ method: "POST", path: "/alerting/v3/policies$", outcome: "cut", phase: "after" });
  await world.deployment.configure({ notificationTypes: "all" });
  await world.deployment.up();
  const all = await policies();
  expect(all.map(({ alert_type }) => alert_type).sort()).toEqual([TOKENS, PULLS].sort());
  expect(await world.deployment.exportState()).toContain(all.find(({ alert_type }) => alert_type === TOKENS)?.id);
});

test("without the permission they stop the up that turns them off and a destroy, and the page's way out goes on", async () => {
  const token = async (...more: string[]) => {
    const permissions = [...PROGRAM_PERMISSIONS, ...more];
    return (await world.api.createToken({ name: permissions.length.toString(), permissions })).token;
  };
  await world.deployment.configure({}, { apiToken: await token() });
  const said = await stopped(() => world.deployment.up());
  expect(said).toContain("to remove some that exist needs it, too");
  await world.deployment.removeSetting("notificationEmails");
  expect(await stopped(() => world.deployment.up())).toMatch(/DELETE .*\/alerting\/v3\/policies\/.*403/s);
  expect(await stopped(() => world.deployment.destroy())).toMatch(/DELETE .*\/alerting\/v3\/policies\/.*403/s);
  expect((await world.visit("/")).status).toBe(302);
  await world.deployment.configure({}, { apiToken: await token("Notifications Write") });
  const removed = steps(await world.deployment.up()).filter((step) => step.startsWith("delete "));
  expect(removed).toEqual([`delete notifications-${TOKENS}`, `delete notifications-${PULLS}`].sort());
  expect(await policies()).toEqual([]);
  await world.deployment.configure({ notificationEmails: ["anna@example.com"] });
  await world.deployment.up();
});

test("tokens without an end, and another mode of the origin pulls, change what is told", async () => {
  await world.deployment.configure({ tokenDuration: "forever", originPulls: "zone" });
  await world.deployment.up();
  expect((await policies()).map(({ alert_type }) => alert_type)).toEqual([
    "zone_aop_custom_certificate_expiration_type",
  ]);
  expect((await doctor()).map(({ status }) => status)).toEqual(["ok"]);
});

test("without addresses they go, and nothing else changes", async () => {
  await world.deployment.removeSetting("notificationEmails");
  const outcome = await world.deployment.up();
  expect(outcome.steps.map(({ op }) => op)).toEqual(["delete", "delete"]);
  expect(await policies()).toEqual([]);
  expect(await doctor()).toEqual([]);
});

test("a destroy leaves none of them, and the owner's own stay", async () => {
  await world.deployment.configure({ notificationEmails: ["anna@example.com"] });
  await world.deployment.up();
  const [ours] = await policies();
  if (!ours) throw new Error("there is no notification");
  const theirs = { ...ours, id: "f".repeat(32), name: "mine" };
  await world.api.alter({ notification_policies: [ours, theirs] });
  await world.deployment.destroy();
  expect(await policies()).toEqual([theirs]);
});
