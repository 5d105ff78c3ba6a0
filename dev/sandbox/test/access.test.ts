import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { applicationFor, organizationOf } from "../access/applications.ts";
import { afterLogin, applies } from "../access/policies.ts";
import type { AccessApp, AccessPolicy } from "../api/state.ts";
import { DEV, firstState } from "../api/world.ts";
import { accessApp, accessPolicy, credentials, guard, serviceToken } from "./access-fixture.ts";
import { type Fixture, SITE, startFixture } from "./edge-fixture.ts";

const state = firstState("x".repeat(40));

describe("the application for an address", () => {
  const found = (uris: string[], host: string, path = "/"): string | undefined => {
    const access_apps = uris.map((uri) => accessApp({ id: uri, domain: uri }));
    return applicationFor({ ...state, access_apps }, host, path)?.id;
  };

  test.each([
    ["example.com", "example.com", "/any/path", true],
    ["example.com", "a.example.com", "/", false],
    ["*.example.com", "a.example.com", "/", true],
    ["*.example.com", "example.com", "/", false],
    ["*.example.com", "a.b.example.com", "/", false],
    ["*test.example.com", "alphatest.example.com", "/", true],
    ["*test.example.com", "test.example.com", "/", true],
    ["example.com/photos", "example.com", "/photos", true],
    ["example.com/photos", "example.com", "/photos/1", true],
    ["example.com/photos", "example.com", "/photos2", false],
    ["example.com/photos", "example.com", "/", false],
    ["example.com/alpha/*", "example.com", "/alpha/one/two", true],
    ["example.com/alpha/*", "example.com", "/alpha", false],
    ["example.com/foo*/bar", "example.com", "/food/stuff/bar", true],
    // forms that an origin reads as the protected path are protected
    ["example.com/photos", "example.com", "/%70hotos/1", true],
    ["example.com/photos", "example.com", "//photos", true],
    ["example.com/photos", "example.com", "/open/../photos", true],
    ["example.com/photos", "example.com", "/open/%2e%2e%2fphotos", true],
    ["example.com/photos", "example.com", "/\\photos", true],
    ["example.com/photos", "example.com", "/%ff/photos", false],
  ])("the application %s covers %s%s: %s", (uri, host, path, covered) => {
    expect(found([uri], host, path)).toBe(covered ? uri : undefined);
  });

  test("the most specific application wins: host before path, names before wildcards", () => {
    const all = ["*.example.com/api/deep", "a.example.com", "a.example.com/api", "*.example.com"];
    expect(found(all, "a.example.com", "/api/deep")).toBe("a.example.com/api");
    expect(found(all, "a.example.com", "/other")).toBe("a.example.com");
    expect(found(all, "b.example.com", "/api/deep")).toBe("*.example.com/api/deep");
    expect(found(all, "b.example.com")).toBe("*.example.com");
  });

  test("each destination of an application is protected", () => {
    const destinations = ["one.example.com", "two.example.com"].map((uri) => ({ type: "public", uri }));
    const access_apps = [accessApp({ domain: "one.example.com", destinations })];
    expect(applicationFor({ ...state, access_apps }, "two.example.com", "/")?.id).toBe("app-1");
  });
});

describe("policies", () => {
  const login = { email: "friend@example.com", provider: "pin" };
  const visitor = { address: "203.0.113.5", login };

  test.each([
    [{ email: { email: "Friend@Example.com" } }, true],
    [{ email: { email: "other@example.com" } }, false],
    [{ email_domain: { domain: "example.com" } }, true],
    [{ email_domain: { domain: "ample.com" } }, false],
    [{ everyone: {} }, true],
    [{ ip: { ip: "203.0.113.0/24" } }, true],
    [{ ip: { ip: "203.0.113.6" } }, false],
    [{ ip: { ip: "2001:db8::/32" } }, false],
    [{ login_method: { id: "pin" } }, true],
    [{ login_method: { id: "cloudflare" } }, false],
    [{ service_token: { token_id: "phone" } }, false],
    [{ any_valid_service_token: {} }, false],
  ])("the rule %j applies to the visitor: %s", (rule, expected) => {
    expect(applies(accessPolicy("allow", [rule]), visitor)).toBe(expected);
  });

  test("rules match IPv6 addresses and service tokens", () => {
    const device = { address: "2001:db8:bad::5", token: serviceToken("phone") };
    expect(applies(accessPolicy("bypass", [{ ip: { ip: "2001:db8::/32" } }]), device)).toBe(true);
    expect(applies(accessPolicy("bypass", [{ ip: { ip: "203.0.113.5" } }]), device)).toBe(false);
    expect(applies(accessPolicy("non_identity", [{ service_token: { token_id: "phone" } }]), device)).toBe(true);
    expect(applies(accessPolicy("non_identity", [{ service_token: { token_id: "other" } }]), device)).toBe(false);
    expect(applies(accessPolicy("non_identity", [{ any_valid_service_token: {} }]), device)).toBe(true);
  });

  test("a policy needs any of include, all of require, none of exclude", () => {
    const rule = (yes: boolean) => (yes ? { everyone: {} } : { email: { email: "nobody@example.com" } });
    const decide = (include: boolean[], require: boolean[], exclude: boolean[]): boolean => {
      const rules = { require: require.map(rule), exclude: exclude.map(rule) };
      return applies(accessPolicy("allow", include.map(rule), rules), visitor);
    };
    expect(decide([false, true], [], [])).toBe(true);
    expect(decide([false, false], [], [])).toBe(false);
    expect(decide([true], [true, false], [])).toBe(false);
    expect(decide([true], [true, true], [false])).toBe(true);
    expect(decide([true], [], [false, true])).toBe(false);
  });

  test("a selector that the API would refuse admits nobody", () => {
    expect(() => applies(accessPolicy("allow", [{ emails: { email: "x" } }]), visitor)).toThrow(/no selector emails/);
  });

  test("Block and Allow apply in the order of precedence, and nobody passes without either", () => {
    const everyone = accessPolicy("allow", [{ everyone: {} }]);
    const block = accessPolicy("deny", [{ email: { email: login.email } }]);
    const decide = (...policies: AccessPolicy[]): string | undefined => {
      const draft = structuredClone(state);
      guard(draft, policies);
      // listed in another order than that of precedence
      draft.access_apps[0]?.policies.reverse();
      return afterLogin(draft, draft.access_apps[0]!, visitor)?.id;
    };
    expect(decide(everyone, block)).toBe("allow");
    expect(decide(block, everyone)).toBeUndefined();
    expect(decide(block)).toBeUndefined();
    expect(decide()).toBeUndefined();
  });
});

describe("at the edge", () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startFixture();
    await fixture.change((draft) => {
      draft.service_tokens = [serviceToken("phone")];
    });
  });
  afterAll(() => fixture.close());

  const configure = (policies: AccessPolicy[], change: Partial<AccessApp> = {}): Promise<void> =>
    fixture.change((draft) => guard(draft, policies, change));
  const EVERYTHING = accessPolicy("bypass", [{ everyone: {} }]);
  const DEVICES = accessPolicy("non_identity", [{ service_token: { token_id: "phone" } }]);

  test("a name without an application is open to everyone, as at Cloudflare", async () => {
    await fixture.change((draft) => {
      draft.access_apps = [];
    });
    expect((await fixture.visit("/")).status).toBe(200);
    await configure([], { domain: "other.home.localhost" });
    expect((await fixture.visit("/")).status).toBe(200);
  });

  test("deny_unmatched_requests closes the names without an application", async () => {
    await configure([], { domain: `${SITE}/photos` });
    await fixture.admin.organization({ deny_unmatched_requests: true });
    await fixture.edge.feed.until(({ state }) => organizationOf(state, DEV.account).deny_unmatched_requests);
    expect((await fixture.visit("/")).status).toBe(403);
    await fixture.admin.organization({ deny_unmatched_requests: false });
    await fixture.edge.feed.until(({ state }) => !organizationOf(state, DEV.account).deny_unmatched_requests);
    expect((await fixture.visit("/")).status).toBe(200);
    expect((await fixture.visit("/photos")).status).toBe(403);
  });

  test("an application without policies lets nobody through", async () => {
    await configure([]);
    for (const path of ["/", "/api/server/ping", "/cdn-cgi/access/authorized"]) {
      const got = await fixture.visit(path, { headers: credentials("phone") });
      expect(got.status, path).toBeGreaterThanOrEqual(400);
    }
  });

  test("Bypass and Service Auth come before Block and Allow, whatever their precedence", async () => {
    const block = accessPolicy("deny", [{ everyone: {} }]);
    await configure([block, EVERYTHING]);
    expect((await fixture.visit("/")).status).toBe(200);
    await configure([block, DEVICES]);
    expect((await fixture.visit("/", { headers: credentials("phone") })).status).toBe(200);
    expect((await fixture.visit("/")).status).toBe(403);
  });

  test("where Access is bypassed, the edge adds no assertion and passes a visitor's forged one", async () => {
    await configure([EVERYTHING]);
    const imitation = { "cf-access-jwt-assertion": "mine", ...credentials("phone", "wrong") };
    const got = await fixture.visit("/", { headers: imitation });
    expect((JSON.parse(got.body) as { headers: object }).headers).toMatchObject(imitation);
  });

  test("where Access ran, its own assertion replaces a visitor's, and the secret stays at the edge", async () => {
    await configure([DEVICES]);
    const imitation = { "cf-access-jwt-assertion": "mine", "cf-access-authenticated-user-email": "owner@example.com" };
    const got = await fixture.visit("/", { headers: { ...imitation, ...credentials("phone") } });
    const { headers } = JSON.parse(got.body) as { headers: Record<string, string> };
    expect(Object.keys(headers).filter((name) => name.startsWith("cf-access-"))).toEqual(["cf-access-jwt-assertion"]);
    expect(headers["cf-access-jwt-assertion"]).toMatch(/^ey/);
    expect(got.body).not.toContain("phone-secret");
  });

  test("a deleted application leaves the name open, a deleted token closes it", async () => {
    await configure([DEVICES]);
    await fixture.change((draft) => {
      draft.service_tokens = [];
    });
    expect((await fixture.visit("/", { headers: credentials("phone") })).status).toBe(401);
    await fixture.change((draft) => {
      draft.access_apps = [];
    });
    expect((await fixture.visit("/")).status).toBe(200);
  });
});
