// Logins of people, from the first request to the application and out again.

import { createPrivateKey } from "node:crypto";
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify, SignJWT, UnsecuredJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { organizationOf } from "../access/applications.ts";
import { sign, verify } from "../access/jwt.ts";
import type { Organization } from "../api/state.ts";
import { DEV, newSigningKey } from "../api/world.ts";
import {
  accessPolicy,
  addPinLogin,
  AUD,
  Browser,
  credentials,
  formOf,
  FRIEND,
  guard,
  PORT,
  serviceToken,
  TEAM,
} from "./access-fixture.ts";
import { type Fixture, type Got, SITE, startFixture } from "./edge-fixture.ts";

const PEOPLE = accessPolicy("allow", [{ email: { email: FRIEND } }]);
const MINUTE = 60_000;

let fixture: Fixture;
let browser: Browser;
let pinLogin: string;

beforeEach(async () => {
  fixture = await startFixture();
  await fixture.change((state) => {
    pinLogin = addPinLogin(state);
    guard(state, [PEOPLE]);
  });
  browser = new Browser(fixture);
});
afterEach(async () => {
  vi.useRealTimers();
  await fixture.close();
});

const organization = (): Organization => organizationOf(fixture.world.store.state, DEV.account);
const location = (got: Got): URL => new URL(got.headers.location ?? "");
const pinFor = async (email: string): Promise<string | undefined> => (await fixture.admin.mailbox(email))[0]?.pin;
const later = (milliseconds: number): void => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + milliseconds });
};
const originHeaders = (got: Got): Record<string, string> =>
  (JSON.parse(got.body) as { headers: Record<string, string> }).headers;
const visitWith = (token: string): Promise<Got> =>
  fixture.visit("/", { headers: { cookie: `CF_Authorization=${token}` } });

describe("a login by PIN", () => {
  test("a login by PIN works step by step, on the visitor's own port", async () => {
    const first = await browser.go(`https://${SITE}${PORT}/albums?sort=new`);
    expect(first.status).toBe(302);
    const login = location(first);
    expect(`${login.origin}${login.pathname}`).toBe(`https://${TEAM}${PORT}/cdn-cgi/access/login/${SITE}`);
    expect(login.searchParams.get("kid")).toBe(AUD);
    expect(login.searchParams.get("redirect_url")).toBe("/albums?sort=new");
    expect(first.headers["www-authenticate"]).toBe(
      `Cloudflare-Access resource_metadata="https://${SITE}${PORT}/.well-known/cloudflare-access-protected-resource/albums"`,
    );
    expect(first.headers["set-cookie"]).toEqual([
      expect.stringMatching(/^CF_AppSession=[\w-]{16}; Path=\/; Secure; .*HttpOnly; SameSite=None$/),
    ]);

    const choice = await browser.go(login.href);
    expect(choice.status).toBe(200);
    expect(choice.body).toContain("Log in to Photos");
    const asked = await browser.submit(choice, { email: ` ${FRIEND.toUpperCase()} ` });
    expect(asked.body).toContain("A code has been emailed to");
    const [mail] = await fixture.admin.mailbox(FRIEND);
    expect(mail).toMatchObject({ application: "Photos", pin: expect.stringMatching(/^\d{6}$/) as string });
    expect(asked.body).not.toContain(mail?.pin);

    const done = await browser.submit(asked, { code: mail?.pin ?? "" });
    expect(done.status).toBe(302);
    expect(location(done).href).toMatch(
      new RegExp(`^https://${SITE}${PORT}/cdn-cgi/access/authorized\\?nonce=[\\w-]+$`),
    );
    const back = await browser.go(location(done).href);
    expect([back.status, back.headers.location]).toEqual([302, `https://${SITE}${PORT}/albums?sort=new`]);
    expect(back.headers["set-cookie"]).toEqual([
      expect.stringMatching(/^CF_Authorization=ey[^;]+; Path=\/; Secure; Max-Age=86400; HttpOnly; SameSite=Lax$/),
    ]);
    const home = await browser.go(back.headers.location ?? "");
    expect(home.status).toBe(200);
    expect(JSON.parse(home.body)).toMatchObject({ path: "/albums?sort=new" });
  });

  test("the origin gets a JWT that verifies against the team's certs after a login", async () => {
    const headers = originHeaders(await browser.logIn());
    const assertion = headers["cf-access-jwt-assertion"] ?? "";
    expect(headers["cookie"]).toContain(`CF_Authorization=${assertion}`);
    const certs = await fixture.visit("/cdn-cgi/access/certs", { host: TEAM });
    const document = JSON.parse(certs.body) as JSONWebKeySet & { public_certs: { kid: string; cert: string }[] };
    expect(document.public_certs.map(({ kid }) => kid)).toEqual(document.keys.map(({ kid }) => kid));
    expect(certs.body).not.toContain("PRIVATE KEY");
    expect(document.keys).toHaveLength(2);
    for (const key of document.keys) expect(key).not.toHaveProperty("d");

    const options = { audience: AUD, issuer: `https://${TEAM}`, algorithms: ["RS256"] };
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(document), options);
    expect(Object.keys(payload).sort()).toEqual(
      ["aud", "country", "email", "exp", "iat", "identity_nonce", "iss", "nbf", "sub", "type"].sort(),
    );
    expect(payload).toMatchObject({ aud: [AUD], email: FRIEND, type: "app" });
    expect(payload.exp! - payload.iat!).toBe(86_400);

    await fixture.change((state) => {
      state.service_tokens = [serviceToken("phone")];
      guard(state, [PEOPLE, accessPolicy("non_identity", [{ service_token: { token_id: "phone" } }])]);
    });
    const device = originHeaders(await fixture.visit("/", { headers: credentials("phone") }));
    const service = await jwtVerify(device["cf-access-jwt-assertion"] ?? "", createLocalJWKSet(document), options);
    expect(Object.keys(service.payload).sort()).toEqual(["aud", "common_name", "exp", "iat", "iss", "sub", "type"]);
    expect(service.payload).toMatchObject({ aud: AUD, common_name: "phone.access", sub: "", type: "app" });
  });

  test("a PIN works once, in the browser that asked for it", async () => {
    const asked = await browser.submit(await browser.toLogin(), { email: FRIEND });
    const code = (await pinFor(FRIEND)) ?? "";
    const stranger = new Browser(fixture);
    await stranger.toLogin();
    expect((await stranger.submit(asked, { code })).status).toBe(400);
    expect((await browser.submit(asked, { code })).status).toBe(302);
    expect((await browser.submit(asked, { code })).status).toBe(400);
  });

  test("a PIN expires after ten minutes", async () => {
    const asked = await browser.submit(await browser.toLogin(), { email: FRIEND });
    later(10 * MINUTE + 1000);
    const got = await browser.submit(asked, { code: (await pinFor(FRIEND)) ?? "" });
    expect(got.status).toBe(400);
    expect(got.body).toContain("has expired");
  });

  test("five wrong PINs void the right one", async () => {
    const asked = await browser.submit(await browser.toLogin(), { email: FRIEND });
    const right = (await pinFor(FRIEND)) ?? "";
    const wrong = right === "000000" ? "000001" : "000000";
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      expect((await browser.submit(asked, { code: wrong })).body).toContain("not right");
    }
    expect((await browser.submit(asked, { code: wrong })).body).toContain("tried too often");
    expect((await browser.submit(asked, { code: right })).status).toBe(400);
  });

  test("a new PIN voids the one before", async () => {
    const first = await browser.submit(await browser.toLogin(), { email: FRIEND });
    const old = (await pinFor(FRIEND)) ?? "";
    const second = await browser.submit(await browser.toLogin(), { email: FRIEND });
    const fresh = (await pinFor(FRIEND)) ?? "";
    expect((await browser.submit(first, { code: old })).status).toBe(400);
    expect((await browser.submit(second, { code: fresh })).status).toBe(302);
  });

  test("an address that no policy admits gets no PIN, and the page does not say so", async () => {
    const page = await browser.toLogin();
    const neutral = (got: Got, email: string): string =>
      got.body.replaceAll(email, "EMAIL").replace(/name="attempt" value="[^"]+"/, "");
    const known = await browser.submit(page, { email: FRIEND });
    const unknown = await browser.submit(page, { email: "stranger@example.com" });
    expect(neutral(unknown, "stranger@example.com")).toBe(neutral(known, FRIEND));
    expect(await fixture.admin.mailbox("stranger@example.com")).toEqual([]);
    expect((await browser.submit(unknown, { code: "123456" })).body).toContain("not right");
  });

  test("the login page says when the text entered is not an address", async () => {
    const got = await browser.submit(await browser.toLogin(), { email: "friend" });
    expect([got.status, got.body.includes("not an email address")]).toEqual([400, true]);
  });

  test("a second application of the team needs no second PIN", async () => {
    await browser.logIn();
    browser.cookies.delete(SITE);
    const again = await browser.toLogin("/second");
    expect(again.status).toBe(302);
    expect((await browser.go(location(again).href)).headers.location).toBe(`https://${SITE}${PORT}/second`);
    expect(await fixture.admin.mailbox(FRIEND)).toHaveLength(1);
  });

  test("a policy's session duration takes precedence over the application's", async () => {
    await fixture.change((state) =>
      guard(state, [{ ...PEOPLE, session_duration: "30m" }], { session_duration: "12h" }),
    );
    expect((await browser.logIn()).status).toBe(200);
    later(29 * MINUTE);
    expect((await browser.go(`https://${SITE}${PORT}/`)).status).toBe(200);
    later(2 * MINUTE);
    expect((await browser.go(`https://${SITE}${PORT}/`)).status).toBe(302);
  });

  test("the login's cookie has the attributes that the application sets", async () => {
    const app = { domain: `${SITE}/photos`, path_cookie_attribute: true, http_only_cookie_attribute: false };
    await fixture.change((state) => guard(state, [PEOPLE], { ...app, same_site_cookie_attribute: "strict" }));
    const asked = await browser.submit(await browser.toLogin("/photos/1"), { email: FRIEND });
    const done = await browser.submit(asked, { code: (await pinFor(FRIEND)) ?? "" });
    const back = await browser.go(location(done).href);
    expect(back.headers["set-cookie"]?.[0]).toMatch(/; Secure; Max-Age=86400; Path=\/photos; SameSite=Strict$/);
  });
});

describe("the account's own login", () => {
  const owners = accessPolicy("allow", [{ email: { email: DEV.owner } }]);

  test("the account's own login is for members, and is reached at once where it is the only one", async () => {
    const [provider] = fixture.world.store.state.identity_providers;
    const change = { allowed_idps: [provider?.id ?? ""], auto_redirect_to_identity: true };
    await fixture.change((state) => guard(state, [owners], change));
    const redirected = await browser.toLogin();
    expect(redirected.status).toBe(302);
    const page = await browser.go(new URL(redirected.headers.location ?? "", `https://${TEAM}${PORT}`).href);
    const stranger = await browser.submit(page, { email: FRIEND });
    expect([stranger.status, stranger.body.includes("not a member")]).toEqual([400, true]);
    const done = await browser.submit(page, { email: DEV.owner });
    const back = await browser.go(location(done).href);
    expect((await browser.go(back.headers.location ?? "")).status).toBe(200);
  });

  test("a member whom no policy admits is logged in and refused", async () => {
    const page = await browser.toLogin();
    expect(page.body).toContain(">Cloudflare</a>");
    const link = /href="(\/cdn-cgi\/access\/sso\/[^"]+)"/.exec(page.body)?.[1] ?? "";
    const form = await browser.go(`https://${TEAM}${PORT}${link}`);
    const got = await browser.submit(form, { email: DEV.owner });
    expect([got.status, got.body.includes("does not have access")]).toEqual([403, true]);
    expect((await browser.go(`https://${SITE}${PORT}/`)).status).toBe(302);
  });

  test("a login by a provider that the application does not allow does not count", async () => {
    const page = await browser.toLogin();
    await fixture.change((state) => guard(state, [PEOPLE, owners], { allowed_idps: [pinLogin] }));
    const [provider] = fixture.world.store.state.identity_providers;
    const { fields } = formOf(page.body);
    const post = await browser.go(`https://${TEAM}${PORT}/cdn-cgi/access/sso/${provider?.id}`, {
      ...fields,
      email: DEV.owner,
    });
    expect(post.status).toBe(400);
  });
});

describe("logins that are refused", () => {
  test("a login cannot end in another browser, or end twice", async () => {
    const asked = await browser.submit(await browser.toLogin(), { email: FRIEND });
    const done = await browser.submit(asked, { code: (await pinFor(FRIEND)) ?? "" });
    const stranger = new Browser(fixture);
    const stolen = await stranger.go(location(done).href);
    expect([stolen.status, stolen.headers["set-cookie"]]).toEqual([400, undefined]);
    expect((await browser.go(location(done).href)).status).toBe(400);
  });

  test("a login refuses redirects that the signed state does not hold", async () => {
    const first = await browser.go(`https://${SITE}${PORT}/mine`);
    const login = location(first);
    login.searchParams.set("redirect_url", "https://evil.example/");
    const asked = await browser.submit(await browser.go(login.href), { email: FRIEND });
    const done = await browser.submit(asked, { code: (await pinFor(FRIEND)) ?? "" });
    const back = await browser.go(location(done).href);
    expect(back.headers.location).toBe(`https://${SITE}${PORT}/mine`);

    const elsewhere = location(first);
    elsewhere.pathname = "/cdn-cgi/access/login/evil.example";
    expect((await browser.go(elsewhere.href)).status).toBe(400);
  });

  test("a path that looks like another host stays a path in the login's redirect", async () => {
    const got = await browser.logIn(FRIEND, "//evil.example/x");
    expect(got.status).toBe(200);
    expect(JSON.parse(got.body)).toMatchObject({ path: "//evil.example/x" });
  });

  test("a login's state that is forged, for another purpose, or old is refused", async () => {
    const url = (meta: string): string => `https://${TEAM}${PORT}/cdn-cgi/access/login/${SITE}?meta=${meta}`;
    const claims = { aud: TEAM, kid: AUD, hostname: SITE, redirect_url: "/", app_session_hash: "" };
    const foreign = { ...organization(), signing_keys: [newSigningKey()] };
    expect((await browser.go(url(await sign(organization(), "meta", claims, 60)))).status).toBe(200);
    expect((await browser.go(url(await sign(foreign, "meta", claims, 60)))).status).toBe(400);
    expect((await browser.go(url(await sign(organization(), "org", claims, 60)))).status).toBe(400);
    expect((await browser.go(url(await sign(organization(), "meta", claims, -1)))).status).toBe(400);
    expect((await browser.go(url(""))).status).toBe(400);
  });

  test("a login form that was sent without the browser's session, as another site would, is refused", async () => {
    const page = await browser.toLogin();
    browser.cookies.delete(TEAM);
    expect((await browser.submit(page, { email: FRIEND })).status).toBe(400);
    expect(await fixture.admin.mailbox()).toEqual([]);
  });

  test("login tokens are refused: unsigned, foreign, expired, for another application or purpose", async () => {
    const own = organization();
    const claims = { aud: [AUD], email: FRIEND, identity_nonce: "n", sub: "s" };
    const good = await sign(own, "app", claims, 60);
    expect((await visitWith(good)).status).toBe(200);

    const { payload, kid } = { payload: decodeJwt(good), kid: own.signing_keys[0]?.kid ?? "" };
    const key = createPrivateKey(newSigningKey().private_key);
    const tampered = good.split(".");
    tampered[1] = Buffer.from(JSON.stringify({ ...payload, email: DEV.owner })).toString("base64url");
    const bad = {
      unsigned: new UnsecuredJWT(payload).encode(),
      foreign: await new SignJWT(payload).setProtectedHeader({ alg: "RS256", kid }).sign(key),
      symmetric: await new SignJWT(payload)
        .setProtectedHeader({ alg: "HS256", kid })
        .sign(Buffer.from(own.signing_keys[0]?.certificate ?? "")),
      tampered: tampered.join("."),
      expired: await sign(own, "app", claims, -1),
      "another application's": await sign(own, "app", { ...claims, aud: ["b".repeat(64)] }, 60),
      "another team's": await sign(own, "app", { ...claims, iss: "https://other.example" }, 60),
      "the team domain's": await sign(own, "org", claims, 60),
      "without a login": await sign(own, "app", { aud: [AUD], sub: "s" }, 60),
    };
    for (const [name, token] of Object.entries(bad)) expect((await visitWith(token)).status, name).toBe(302);
  });

  test("a login token of the key before the current one still verifies, one before that does not", async () => {
    const own = organization();
    const [current, previous] = own.signing_keys;
    const old = await sign({ ...own, signing_keys: [previous!] }, "app", { aud: AUD }, 60);
    expect(await verify(own, "app", old, AUD)).toBeDefined();
    expect(await verify({ ...own, signing_keys: [current!] }, "app", old, AUD)).toBeUndefined();
  });
});

describe("logging out", () => {
  const status = async (host: string): Promise<number> =>
    (await browser.go(`https://${host}${PORT}/cdn-cgi/access/get-identity`)).status;

  test.each([
    ["application", SITE],
    ["team domain", TEAM],
  ])("logging out at the %s ends the login at both", async (_name, host) => {
    await browser.logIn();
    const [appCookies, teamCookies] = [SITE, TEAM].map((name) => new Map(browser.cookies.get(name)));
    const identity = await browser.go(`https://${SITE}${PORT}/cdn-cgi/access/get-identity`);
    expect(JSON.parse(identity.body)).toMatchObject({ email: FRIEND, account_id: DEV.account });
    expect([await status(SITE), await status(TEAM)]).toEqual([200, 200]);

    const out = await browser.go(`https://${host}${PORT}/cdn-cgi/access/logout`);
    expect(out.status).toBe(200);
    expect(browser.cookies.get(host)?.has("CF_Authorization")).toBe(false);
    // Copies of the cookies are invalid too.
    browser.cookies.set(SITE, appCookies!).set(TEAM, teamCookies!);
    expect([await status(SITE), await status(TEAM)]).toEqual([400, 400]);
    expect((await browser.go(`https://${SITE}${PORT}/`)).status).toBe(302);
    expect((await fixture.admin.state()).ended_sessions).toHaveLength(1);
  });

  test("logging out leaves the same person's login in another browser", async () => {
    await browser.logIn();
    const other = new Browser(fixture);
    await other.logIn();
    await browser.go(`https://${TEAM}${PORT}/cdn-cgi/access/logout`);
    expect((await other.go(`https://${SITE}${PORT}/`)).status).toBe(200);
  });
});

test("the team domain serves nothing but the login", async () => {
  for (const path of ["/", "//[", "/cdn-cgi/access/", "/cdn-cgi/access/sso?meta=%zz"]) {
    expect((await fixture.visit(path, { host: TEAM })).status, path).toBeLessThan(500);
  }
  expect((await fixture.visit("/", { host: TEAM })).status).toBe(404);
  expect((await fixture.visit("/cdn-cgi/access/login", { host: TEAM, method: "DELETE" })).status).toBe(404);
});
