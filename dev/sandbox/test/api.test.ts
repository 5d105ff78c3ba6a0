// The API double itself: who may do what, the envelope, faults, restarts.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PROGRAM_PERMISSIONS } from "../api/tokens.ts";
import { DEV } from "../api/world.ts";
import { type ApiFixture, refusal, startApiFixture } from "./api-fixture.ts";

const ZONE = `/zones/${DEV.zone}`;
const ACCESS = `/accounts/${DEV.account}/access`;
const PULLS = `${ZONE}/origin_tls_client_auth`;
const SITE = "photos.home.localhost";
const RECORD = { name: SITE, type: "A", content: "198.51.100.10", proxied: true, ttl: 1 };

let fixture: ApiFixture;
beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture.close());
beforeEach(() => fixture.admin.clearFaults());

const call: ApiFixture["call"] = (...request) => fixture.call(...request);
const tokenWith = async (change: Parameters<ApiFixture["admin"]["createToken"]>[0]): Promise<string> =>
  (await fixture.admin.createToken(change)).token;

describe("authentication", () => {
  test.each([
    ["nobody", null, 400, 9106],
    ["a token that is too short", "short", 400, 6003],
    ["an unknown token", "x".repeat(40), 401, 1000],
  ])("the API refuses %s: %i %i", async (_name, token, status, code) => {
    expect(refusal(await call("GET", "/zones", undefined, token))).toEqual([status, code]);
  });

  test("the API refuses a token that is disabled, expired or deleted", async () => {
    const disabled = await tokenWith({ name: "disabled", status: "disabled" });
    expect(refusal(await call("GET", "/zones", undefined, disabled))).toEqual([403, 9109]);
    const expired = await tokenWith({ name: "expired", expires_on: new Date(Date.now() - 1000).toISOString() });
    expect(refusal(await call("GET", "/zones", undefined, expired))).toEqual([403, 9109]);
    const deleted = await fixture.admin.createToken({ name: "deleted" });
    expect((await call("GET", "/zones", undefined, deleted.token)).status).toBe(200);
    await fixture.admin.deleteToken(deleted.id);
    expect(refusal(await call("GET", "/zones", undefined, deleted.token))).toEqual([401, 1000]);
  });

  test("a valid token verifies, and the address ranges need no token", async () => {
    const verified = await call("GET", "/user/tokens/verify");
    expect(verified).toMatchObject({ success: true, errors: [], result: { status: "active" } });
    const ips = await call("GET", "/ips", undefined, null);
    expect(ips.result).toMatchObject({ etag: expect.any(String) as string });
    expect(ips.result.ipv4_cidrs).toHaveLength(15);
    expect(ips.result.ipv6_cidrs).toHaveLength(7);
  });
});

describe("permissions", () => {
  const csr = "x";
  /** The permission, and a request that needs it and no other. */
  const NEEDS: [permission: string, method: string, path: string, body?: unknown][] = [
    ["Zone Read", "GET", ZONE],
    ["DNS Write", "POST", `${ZONE}/dns_records`, RECORD],
    ["SSL and Certificates Write", "PUT", `${PULLS}/settings`, { enabled: false }],
    ["SSL and Certificates Write", "POST", "/certificates", { csr, hostnames: [SITE], request_type: "origin-ecc" }],
    ["Zone Settings Write", "PATCH", `${ZONE}/settings/ssl`, { value: "full" }],
    ["Access: Apps and Policies Write", "POST", `${ACCESS}/apps`, { name: "a", type: "self_hosted", domain: SITE }],
    ["Access: Apps and Policies Write", "POST", `${ACCESS}/policies`, {}],
    ["Access: Organizations, Identity Providers, and Groups Write", "PUT", `${ACCESS}/organizations`, {}],
    ["Access: Organizations, Identity Providers, and Groups Write", "POST", `${ACCESS}/identity_providers`, {}],
    ["Access: Service Tokens Write", "POST", `${ACCESS}/service_tokens`, {}],
  ];

  test.each(NEEDS)("without %s: %s %s is an authentication error", async (permission, method, path, body) => {
    const others = PROGRAM_PERMISSIONS.filter((name) => name !== permission);
    const token = await tokenWith({ name: `without ${permission}`, permissions: others });
    const before = fixture.api.world.store.tag;
    expect(refusal(await call(method, path, body, token))).toEqual([403, 10000]);
    expect(fixture.api.world.store.tag).toBe(before);
    const read = permission.replace(/Write$/, "Read");
    if (read !== permission) {
      const reader = await tokenWith({ name: `only ${read}`, permissions: [...others, read] });
      expect(refusal(await call(method, path, body, reader))).toEqual([403, 10000]);
    }
    const alone = await tokenWith({ name: permission, permissions: [permission] });
    expect((await call(method, path, body, alone)).status).not.toBe(403);
    const elsewhere = await tokenWith({ name: "elsewhere", zones: ["f".repeat(32)], accounts: ["f".repeat(32)] });
    expect(refusal(await call(method, path, body, elsewhere))).toEqual([403, 10000]);
  });

  test("Write includes Read, and the list of zones shows only those that the token may read", async () => {
    const writer = await tokenWith({ name: "writer", permissions: ["DNS Write"] });
    expect((await call("GET", `${ZONE}/dns_records`, undefined, writer)).status).toBe(200);
    expect((await call("GET", "/zones", undefined, writer)).result).toEqual([]);
  });
});

describe("the envelope", () => {
  test("the API returns lists in pages", async () => {
    const first = await call("GET", `/zones?name=${DEV.zoneName}`);
    expect(first.result_info).toEqual({ page: 1, per_page: 20 });
    expect((await call("GET", "/zones?page=2")).result).toEqual([]);
    expect(refusal(await call("GET", "/zones?page=0"))).toEqual([400, 1004]);
  });

  test("the API refuses a body that is not JSON, or has an unknown field", async () => {
    expect(refusal(await call("POST", `${ZONE}/dns_records`, "{"))).toEqual([400, 6007]);
    const typo = await call("POST", `${ZONE}/dns_records`, { ...RECORD, proxyed: true });
    expect(refusal(typo)).toEqual([400, 1004]);
    expect(typo.errors[0]?.message).toContain("proxyed");
  });

  test("an unknown route is answered as such and marked in the journal", async () => {
    const reply = await call("GET", `${ZONE}/page_rules`);
    expect(refusal(reply)).toEqual([404, 7003]);
    expect(reply.errors.map(({ code }) => code)).toEqual([7003, 7000]);
    const entry = (await fixture.admin.requests()).at(-1);
    expect(entry).toMatchObject({ path: `/client/v4${ZONE}/page_rules`, status: 404, unknown: true });
  });

  test("the API's journal holds no secret", async () => {
    const { result } = await call("POST", `${ACCESS}/service_tokens`, { name: "journal" });
    const journal = JSON.stringify(await fixture.admin.requests());
    expect(journal).not.toContain(fixture.token);
    expect(journal).not.toContain(result.client_secret);
    await call("DELETE", `${ACCESS}/service_tokens/${result.id}`);
  });
});

describe("faults", () => {
  test("an injected status is final unless it says otherwise, and affects the given requests only", async () => {
    await fixture.admin.fault({ method: "GET", path: "^/zones$", skip: 1, outcome: "status", status: 503 });
    expect((await call("GET", "/zones")).status).toBe(200);
    expect(refusal(await call("GET", "/zones"))).toEqual([503, 10001]);
    expect((await call("GET", "/zones")).status).toBe(200);
    const later = { retryable: true, retry_after: 2, status: 429, code: 971 };
    await fixture.admin.fault({ outcome: "status", ...later });
    const limited = await call("GET", "/zones");
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(limited.headers.has("x-should-retry")).toBe(false);
  });

  test("a fault before the change leaves nothing done, one after it everything", async () => {
    const put = () => call("PUT", `${PULLS}/settings`, { enabled: true });
    const enabled = async (): Promise<boolean> => (await call("GET", `${PULLS}/settings`)).result.enabled;
    await fixture.admin.fault({ method: "PUT", outcome: "status", phase: "before" });
    expect([(await put()).status, await enabled()]).toEqual([500, false]);
    await fixture.admin.fault({ method: "PUT", outcome: "status", phase: "after" });
    expect([(await put()).status, await enabled()]).toEqual([500, true]);
    await fixture.admin.fault({ method: "PUT", outcome: "cut" });
    await expect(put()).rejects.toThrow();
    expect((await fixture.admin.requests()).some(({ status, fault }) => status === 0 && fault !== undefined)).toBe(
      true,
    );
  });

  test("a held request continues when its fault is removed", async () => {
    const { id } = await fixture.admin.fault({ path: "^/zones$", outcome: "hold" });
    const held = call("GET", "/zones");
    expect((await fixture.admin.faultHit(id)).hits).toBe(1);
    await fixture.admin.clearFaults(id);
    expect((await held).status).toBe(200);
  });
});

test("the API's state, journal, CAs and dev token survive a restart; faults do not", async () => {
  const made = await call("POST", `${ZONE}/dns_records`, { ...RECORD, name: "kept.home.localhost" });
  await fixture.admin.fault({ outcome: "status" });
  const before = await fixture.admin.state();
  const ca = fixture.api.world.cas.originCa.certificate;
  const tag = fixture.api.world.store.tag;
  await fixture.restart();
  expect(await fixture.admin.state()).toEqual(before);
  expect(fixture.api.world.cas.originCa.certificate).toBe(ca);
  expect(fixture.api.world.store.tag).not.toBe(tag);
  const last = (await fixture.admin.requests()).at(-1);
  expect(last).toMatchObject({ method: "POST", path: `/client/v4${ZONE}/dns_records`, status: 200 });
  expect((await call("GET", `${ZONE}/dns_records/${made.result.id}`)).result).toEqual(made.result);
});
