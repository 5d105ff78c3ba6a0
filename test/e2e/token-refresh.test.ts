import { afterAll, beforeAll, expect, test } from "vitest";
import { changed, RunningSite } from "./support/running-site.ts";

// A year later: the phone's token is about to end, and an `up` keeps it alive. Each test continues the one before.

const DAY = 24 * 3600 * 1000;

let site: RunningSite;

beforeAll(async () => {
  site = await RunningSite.start();
});
afterAll(() => site.world.close());

const daysUntil = (end: string | null | undefined) => Math.round((Date.parse(end ?? "") - Date.now()) / DAY);
const tokens = async () => (await site.world.api.state()).service_tokens;
const endOf = async (device: string) =>
  daysUntil((await tokens()).find(({ name }) => name.endsWith(` ${device}`))?.expires_at);

/** Lets a device's token end in so many days, as if it were older; the state gets to know it. */
async function age(device: string, days: number): Promise<void> {
  const expires_at = new Date(Date.now() + days * DAY).toISOString();
  const aged = (await tokens()).map((one) => (one.name.endsWith(` ${device}`) ? { ...one, expires_at } : one));
  await site.world.api.alter({ service_tokens: aged });
  await site.world.deployment.refresh();
}

/** Sends a device's pings while something happens, and returns what they were answered. */
async function whilePinging(device: string, work: () => Promise<unknown>): Promise<Set<number>> {
  const headers = (await site.outputs()).devices[device];
  const answers = new Set<number>();
  let goesOn = true;
  const ping = async () => void answers.add((await site.world.visit("/api/server/ping", headers)).status);
  const pinging = (async () => {
    while (goesOn) await ping();
  })();
  await work();
  goesOn = false;
  await pinging;
  await ping();
  return answers;
}

test("a preview announces the refresh of a token in its last month, and makes none", async () => {
  await age("annas-phone", 20);
  const { output } = await site.world.deployment.preview({ refresh: true, expectNoChanges: true });
  expect(output).toMatch(/The token of annas-phone ends on [\d-]+: `pulumi up` refreshes it by a year/);
  expect(output).not.toContain("The token of frame");
  expect(await endOf("annas-phone")).toBe(20);
});

test("up refreshes it while the phone goes on under the same headers, and touches no other token", async () => {
  const before = await tokens();
  const answers = await whilePinging("annas-phone", async () => {
    const outcome = await site.change({});
    expect(changed(outcome)).toEqual([]);
    expect(outcome.output).toContain("The token of annas-phone has been refreshed");
  });
  expect(answers).toEqual(new Set([200]));
  expect(await endOf("annas-phone")).toBe(365);
  const secrets = (all: typeof before) => all.map(({ id, client_id, secret_hash }) => ({ id, client_id, secret_hash }));
  expect(secrets(await tokens())).toEqual(secrets(before));
  const others = (all: typeof before) => all.filter(({ name }) => !name.endsWith(" annas-phone"));
  expect(others(await tokens())).toEqual(others(before));
  expect(daysUntil((await site.outputs()).tokenExpiry["annas-phone"])).toBe(365);
});

test("the new end is no drift: neither another up nor a preview with a refresh has anything to do", async () => {
  const before = await tokens();
  const again = await site.change({});
  expect(changed(again)).toEqual([]);
  expect(again.output).not.toContain("The token of");
  expect(await tokens()).toEqual(before);
  const { output } = await site.world.deployment.preview({ refresh: true, expectNoChanges: true });
  expect(output).not.toContain("The token of");
  expect(await tokens()).toEqual(before);
});

test("a token that has ended lets its device in again after one up, which waits for that", async () => {
  await age("annas-phone", -1);
  expect(await site.pinged("annas-phone")).not.toBe(200);
  await site.change({});
  expect(await site.pinged("annas-phone")).toBe(200);
});

test("a token that its owner has disabled stays so, and one that is to end ends", async () => {
  await age("annas-phone", 20);
  await site.world.api.alter({ service_tokens: (await tokens()).map((one) => ({ ...one, enabled: false })) });
  // Otherwise the `up` would wait for this phone.
  const { output } = await site.change({ siteCheckSeconds: 0 });
  expect(output).toContain("The token of annas-phone has been disabled at Cloudflare; it is not refreshed");
  expect(await endOf("annas-phone")).toBe(20);

  await site.world.api.alter({ service_tokens: (await tokens()).map((one) => ({ ...one, enabled: true })) });
  expect((await site.change({ tokenRefresh: false })).output).not.toContain("The token of");
  expect(await endOf("annas-phone")).toBe(20);
});

test("tokens become endless under the same headers, and get an end again", async () => {
  const answers = await whilePinging("annas-phone", () =>
    site.change({ tokenDuration: "forever", tokenRefresh: true, siteCheckSeconds: 120 }),
  );
  expect(answers).toEqual(new Set([200]));
  expect((await tokens()).map(({ expires_at }) => expires_at)).toEqual([null, null]);
  expect((await site.outputs()).tokenExpiry).toEqual({ "annas-phone": "never", frame: "never" });
  expect(changed(await site.change({}))).toEqual([]);
  await site.world.deployment.preview({ refresh: true, expectNoChanges: true });

  await site.change({ tokenDuration: "17520h" });
  expect(await endOf("annas-phone")).toBe(730);
  expect(await site.pinged("annas-phone")).toBe(200);
});
