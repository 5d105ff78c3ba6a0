// The status for each kind of credentials, with strict and with lenient service tokens.

import type { IncomingHttpHeaders } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AccessApp, AccessPolicy } from "../api/state.ts";
import { hash } from "../api/tokens.ts";
import { organizationOf } from "../access/applications.ts";
import { serviceToken as serviceJwt } from "../access/sessions.ts";
import { DEV } from "../api/world.ts";
import {
  accessApp,
  accessPolicy,
  addPinLogin,
  credentials,
  FRIEND,
  guard,
  serviceToken,
  upgradeStatus,
} from "./access-fixture.ts";
import { type Fixture, startFixture, type VisitOptions } from "./edge-fixture.ts";

let fixture: Fixture;
/** A token for the application as Access signs it for the phone, to be shown again without the credentials. */
let replayed: string;

const HOUR = 3_600_000;
const at = (offset: number): string => new Date(Date.now() + offset).toISOString();
const DEVICES = accessPolicy("non_identity", [{ service_token: { token_id: "phone" } }]);
const PEOPLE = accessPolicy("allow", [{ email: { email: FRIEND } }]);

const configure = (strict: boolean, policies: AccessPolicy[], change: Partial<AccessApp> = {}): Promise<void> =>
  fixture.change((state) => {
    organizationOf(state, DEV.account).strict_service_token_auth = strict;
    guard(state, policies, change);
  });

beforeAll(async () => {
  fixture = await startFixture();
  await fixture.change((state) => {
    addPinLogin(state);
    state.service_tokens = [
      serviceToken("phone"),
      serviceToken("other"),
      serviceToken("off", { enabled: false }),
      serviceToken("expired", { expires_at: at(-1000) }),
      serviceToken("rotated", { previous_secret_hash: hash("old"), previous_client_secret_expires_at: at(HOUR) }),
      serviceToken("renewed", { previous_secret_hash: hash("old"), previous_client_secret_expires_at: at(-1000) }),
    ];
  });
  fixture.origin.on("upgrade", (_request, socket: NodeJS.WritableStream) => {
    socket.end("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
  });
  replayed = await serviceJwt(organizationOf(fixture.world.store.state, DEV.account), accessApp(), "phone.access", 600);
});
afterAll(() => fixture.close());

/** Request, then the status with only a Service Auth policy and with an Allow policy beside it. */
type Row = [name: string, options: () => VisitOptions, serviceAuthOnly: number, withAllow: number];

const headers = (values: Record<string, string>) => (): VisitOptions => ({ headers: values });

const WITHOUT_CREDENTIALS: Row[] = [
  ["nothing", headers({}), 403, 302],
  ["a script's request", headers({ "x-requested-with": "XMLHttpRequest" }), 403, 401],
  ["OPTIONS", () => ({ method: "OPTIONS" }), 403, 403],
  ["a forged assertion", headers({ "cf-access-jwt-assertion": "e30.e30.x" }), 403, 302],
  ["a signed token as cookie", () => ({ headers: { cookie: `CF_Authorization=${replayed}` } }), 403, 200],
  ["a signed token as cf-access-token", () => ({ headers: { "cf-access-token": replayed } }), 403, 200],
  ["a signed token as assertion", () => ({ headers: { "cf-access-jwt-assertion": replayed } }), 403, 200],
];

const ADMITTED: Row[] = [
  ["the phone's token", headers(credentials("phone")), 200, 200],
  ["OPTIONS with the phone's token", () => ({ method: "OPTIONS", headers: credentials("phone") }), 200, 200],
];

const half: Record<string, string> = { "cf-access-client-id": "phone.access" };

const STRICT: Row[] = [
  ["a wrong secret", headers(credentials("phone", "wrong")), 401, 401],
  ["an unknown id", headers(credentials("nobody")), 401, 401],
  ["an expired token", headers(credentials("expired")), 401, 401],
  ["a disabled token", headers(credentials("off")), 401, 401],
  ["half of the credentials", headers(half), 401, 401],
  ["a token that no policy admits", headers(credentials("other")), 403, 403],
  [
    "a wrong secret beside a good cookie",
    () => ({ headers: { ...credentials("phone", "wrong"), cookie: `CF_Authorization=${replayed}` } }),
    401,
    401,
  ],
  [
    "another token beside a good cookie",
    () => ({ headers: { ...credentials("other"), cookie: `CF_Authorization=${replayed}` } }),
    403,
    403,
  ],
];

const LENIENT: Row[] = [
  ["a wrong secret", headers(credentials("phone", "wrong")), 403, 302],
  ["an unknown id", headers(credentials("nobody")), 403, 302],
  ["an expired token", headers(credentials("expired")), 403, 302],
  ["a disabled token", headers(credentials("off")), 403, 302],
  ["half of the credentials", headers(half), 403, 302],
  ["a token that no policy admits", headers(credentials("other")), 403, 302],
  [
    "a wrong secret beside a good cookie",
    () => ({ headers: { ...credentials("phone", "wrong"), cookie: `CF_Authorization=${replayed}` } }),
    403,
    200,
  ],
];

describe.each([
  { strict: true, rows: [...WITHOUT_CREDENTIALS, ...ADMITTED, ...STRICT] },
  { strict: false, rows: [...WITHOUT_CREDENTIALS, ...ADMITTED, ...LENIENT] },
])("strict service tokens: $strict", ({ strict, rows }) => {
  const mode = `strict service tokens ${strict ? "on" : "off"}`;
  test.each(rows)(`${mode}: Access answers %s`, async (_name, options, serviceAuthOnly, withAllow) => {
    await configure(strict, [DEVICES]);
    expect((await fixture.visit("/api", options())).status, "only Service Auth").toBe(serviceAuthOnly);
    await configure(strict, [PEOPLE, DEVICES]);
    expect((await fixture.visit("/api", options())).status, "with Allow").toBe(withAllow);
  });

  test(`${mode}: Access answers a websocket like any other request`, async () => {
    const statuses = async (): Promise<number[]> => [
      await upgradeStatus(fixture, {}),
      await upgradeStatus(fixture, credentials("phone")),
    ];
    await configure(strict, [DEVICES]);
    expect(await statuses()).toEqual([403, 101]);
    await configure(strict, [PEOPLE, DEVICES]);
    expect(await statuses()).toEqual([302, 101]);
  });

  test("Access gives a device a cookie only in the lenient mode", async () => {
    await configure(strict, [PEOPLE, DEVICES]);
    const got = await fixture.visit("/", { headers: credentials("phone") });
    const cookies: IncomingHttpHeaders["set-cookie"] = got.headers["set-cookie"];
    if (strict) expect(cookies).toBeUndefined();
    else expect(cookies).toEqual([expect.stringMatching(/^CF_Authorization=ey.*; HttpOnly; SameSite=Lax$/)]);
  });

  test("service_auth_401_redirect: 401 instead of 403, and instead of a login for wrong credentials", async () => {
    await configure(strict, [DEVICES], { service_auth_401_redirect: true });
    expect((await fixture.visit("/")).status).toBe(401);
    await configure(strict, [PEOPLE, DEVICES], { service_auth_401_redirect: true });
    await fixture.change(({ options }) => {
      options.access_401_for_people = true;
    });
    expect((await fixture.visit("/", { headers: credentials("phone", "wrong") })).status).toBe(401);
    expect((await fixture.visit("/")).status).toBe(401);
    await fixture.change(({ options }) => {
      options.access_401_for_people = false;
    });
    expect((await fixture.visit("/")).status).toBe(302);
  });

  test("Access stands in front of a new application only after a while", async () => {
    await configure(strict, [PEOPLE], { created_at: at(0) });
    await fixture.change(({ options }) => {
      options.access_enforcement_ms = 1500;
    });
    expect((await fixture.visit("/")).status).toBe(200);
    await expect.poll(async () => (await fixture.visit("/")).status, { timeout: 5000 }).toBe(302);
    await fixture.change(({ options }) => {
      options.access_enforcement_ms = 0;
    });
  });

  test(`${mode}: a rotated service token's old secret works until it expires`, async () => {
    await configure(strict, [accessPolicy("non_identity", [{ any_valid_service_token: {} }])]);
    const status = async (id: string, secret?: string): Promise<number> =>
      (await fixture.visit("/", { headers: credentials(id, secret) })).status;
    const bad = strict ? 401 : 403;
    expect([await status("rotated"), await status("rotated", "old")]).toEqual([200, 200]);
    expect([await status("renewed"), await status("renewed", "old")]).toEqual([200, bad]);
    expect(await status("renewed", "")).toBe(bad);
  });
});

test("two client ids, or the credentials twice, count as no credentials", async () => {
  await configure(true, [DEVICES], { read_service_tokens_from_header: "authorization" });
  const twice = { "cf-access-client-id": ["phone.access", "phone.access"], "cf-access-client-secret": "phone-secret" };
  expect((await fixture.visit("/", { headers: twice })).status).toBe(401);
  const inOne = JSON.stringify(credentials("phone"));
  expect((await fixture.visit("/", { headers: { authorization: inOne, ...credentials("phone") } })).status).toBe(401);
});

test("a device sends its credentials in one header if the application says so", async () => {
  const authorization = JSON.stringify(credentials("phone"));
  await configure(true, [DEVICES], { read_service_tokens_from_header: "Authorization" });
  expect((await fixture.visit("/", { headers: { authorization } })).status).toBe(200);
  const wrong = JSON.stringify(credentials("phone", "wrong"));
  expect((await fixture.visit("/", { headers: { authorization: wrong } })).status).toBe(401);
  expect((await fixture.visit("/", { headers: { authorization: "Bearer immich" } })).status).toBe(403);
  await configure(true, [DEVICES]);
  expect((await fixture.visit("/", { headers: { authorization } })).status).toBe(403);
});

test("options_preflight_bypass lets OPTIONS pass, and nothing else", async () => {
  await configure(true, [PEOPLE, DEVICES], { options_preflight_bypass: true });
  expect((await fixture.visit("/", { method: "OPTIONS" })).status).toBe(200);
  expect((await fixture.visit("/")).status).toBe(302);
});

test("Access refuses in JSON if the client asks for it, and names the application", async () => {
  await configure(true, [DEVICES]);
  const json = await fixture.visit("/", { headers: { accept: "application/json" } });
  expect([json.status, json.headers["content-type"]]).toEqual([403, "application/json"]);
  expect(JSON.parse(json.body)).toMatchObject({ status: 403, aud: accessApp().aud });
  expect(json.headers).toMatchObject({ "cf-access-aud": accessApp().aud, "cf-access-domain": accessApp().domain });
  const page = await fixture.visit("/", { headers: { accept: "text/html" } });
  expect(page.headers["content-type"]).toContain("text/html");
});
