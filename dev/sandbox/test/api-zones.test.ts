// What the API double does with zones and accounts that are not set up yet, or not as usual.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Zone } from "../api/state.ts";
import { DEV } from "../api/world.ts";
import { type ApiFixture, refusal, startApiFixture } from "./api-fixture.ts";

const ZONE = `/zones/${DEV.zone}`;
const ACCESS = `/accounts/${DEV.account}/access`;
const NO_UUID = "00000000-0000-0000-0000-000000000000";

let fixture: ApiFixture;
let before: Awaited<ReturnType<ApiFixture["admin"]["state"]>>;
beforeAll(async () => {
  fixture = await startApiFixture();
  before = await fixture.admin.state();
});
beforeEach(() => fixture.admin.alter(before));
afterAll(() => fixture.close());

const call: ApiFixture["call"] = (...request) => fixture.call(...request);

/** Changes the account's only zone. */
const changeZone = (change: Partial<Zone>) =>
  fixture.admin.alter({ zones: before.zones.map((zone) => ({ ...zone, ...change })) });

describe("an account without Zero Trust", () => {
  test.each([
    ["GET", "/organizations"],
    ["PUT", "/organizations"],
    ["GET", "/identity_providers"],
    ["POST", "/policies"],
    ["GET", "/apps"],
    ["DELETE", `/apps/${NO_UUID}`],
    ["DELETE", `/service_tokens/${NO_UUID}`],
    ["GET", "/certificates"],
  ])("answers %s %s with not_enabled", async (method, path) => {
    await fixture.admin.alter({ organizations: [] });
    const reply = await call(method, ACCESS + path, method === "GET" || method === "DELETE" ? undefined : {});
    expect(refusal(reply)).toEqual([403, 9999]);
    expect(reply.errors[0]?.message).toBe("access.api.error.not_enabled");
  });

  test("is told to those only whose token reaches the account", async () => {
    await fixture.admin.alter({ organizations: [] });
    const { token } = await fixture.admin.createToken({ name: "elsewhere", accounts: ["f".repeat(32)] });
    expect(refusal(await call("GET", `${ACCESS}/apps`, undefined, token))).toEqual([403, 10000]);
  });
});

test("a token that was just made is refused for a time", async () => {
  const usable_from = new Date(Date.now() + 700).toISOString();
  const { token } = await fixture.admin.createToken({ name: "new", usable_from });
  for (const path of ["/zones", "/user/tokens/verify", `${ACCESS}/apps`]) {
    const reply = await call("GET", path, undefined, token);
    expect(refusal(reply)).toEqual([403, 10000]);
    expect(reply.errors[0]?.message).toBe("Unable to authenticate request");
  }
  await expect.poll(async () => (await call("GET", "/zones", undefined, token)).status).toBe(200);
});

describe("zones", () => {
  test("a zone is active, not paused, and full on the Free plan", async () => {
    expect((await call("GET", ZONE)).result).toMatchObject({
      status: "active",
      paused: false,
      type: "full",
      plan: { name: "Free Website" },
      activated_on: expect.any(String) as string,
    });
  });

  const listed = async (path: string) => ((await call("GET", path)).result as unknown as object[]).length;

  test("zones are shown and found by their status and type", async () => {
    await changeZone({ status: "pending", paused: true, type: "partial", plan: "Business" });
    const shown = { status: "pending", paused: true, type: "partial", plan: { name: "Business Website" } };
    expect((await call("GET", ZONE)).result).toMatchObject({ ...shown, activated_on: null });
    const found = async (query: string) => listed(`/zones?${query}`);
    expect(await found("status=pending")).toBe(1);
    expect(await found("status=active")).toBe(0);
    expect(await found("type=partial")).toBe(1);
    expect(await found("type=full")).toBe(0);
  });

  test("a zone with an international name is listed and found in Unicode, its records are in ASCII", async () => {
    await changeZone({ name: "xn--mnchen-3ya.localhost" });
    expect((await call("GET", ZONE)).result).toMatchObject({ name: "münchen.localhost" });
    const found = async (name: string) => listed(`/zones?name=${name}`);
    expect(await found(encodeURIComponent("münchen.localhost"))).toBe(1);
    expect(await found("xn--mnchen-3ya.localhost")).toBe(0);

    const record = { name: "föto.münchen.localhost", type: "A", content: "198.51.100.10", ttl: 1 };
    const name = "xn--fto-sna.xn--mnchen-3ya.localhost";
    expect((await call("POST", `${ZONE}/dns_records`, record)).result).toMatchObject({ name });
    expect((await call("GET", `${ZONE}/dns_records?name=${name}`)).result).toHaveLength(1);
    const other = { ...record, name: "münchen.localhost" };
    expect((await call("POST", `${ZONE}/dns_records`, other)).result).toMatchObject({
      name: "xn--mnchen-3ya.localhost",
    });
  });

  test("Access and certificates refuse a name in Unicode", async () => {
    await changeZone({ name: "xn--mnchen-3ya.localhost" });
    const app = { name: "a", type: "self_hosted", domain: "foto.münchen.localhost" };
    expect(refusal(await call("POST", `${ACCESS}/apps`, app))).toEqual([400, 12130]);
    const certificate = { csr: "x", hostnames: ["foto.münchen.localhost"], request_type: "origin-ecc" };
    expect(refusal(await call("POST", "/certificates", certificate))).toEqual([400, 1010]);
  });

  test("a setting that the zone does not have can neither be read nor set", async () => {
    const { ssl_automatic_mode: _gone, ...settings } = before.zones[0]?.settings ?? {};
    await changeZone({ settings });
    const path = `${ZONE}/settings/ssl_automatic_mode`;
    expect(refusal(await call("GET", path))).toEqual([400, 1003]);
    expect(refusal(await call("PATCH", path, { value: "custom" }))).toEqual([400, 1003]);
    expect((await fixture.admin.state()).zones[0]?.settings).not.toHaveProperty("ssl_automatic_mode");
  });

  test("routes of Workers are shown to tokens that may read them", async () => {
    const route = { id: "1", pattern: "*home.localhost/*", script: "maintenance" };
    await changeZone({ workers_routes: [route] });
    expect(refusal(await call("GET", `${ZONE}/workers/routes`))).toEqual([403, 10000]);
    const { token } = await fixture.admin.createToken({ name: "workers", permissions: ["Workers Routes Read"] });
    expect((await call("GET", `${ZONE}/workers/routes`, undefined, token)).result).toEqual([route]);
  });
});
