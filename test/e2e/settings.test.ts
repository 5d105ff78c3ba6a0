import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PROJECT } from "./support/deployment.ts";
import { changed, RunningSite } from "./support/running-site.ts";
import { pings } from "./support/traffic.ts";
import { SITE } from "./support/world.ts";

// What each setting changes, seen from outside: in the API's state, on the host and in what visitors get. Settings that
// have nothing to do with one another are changed together, because each `up` takes seconds.

const PACK = join(PROJECT, "policy");

let site: RunningSite;

beforeAll(async () => {
  site = await RunningSite.start([PACK]);
});
afterAll(() => site.world.close());

const policy = (decision: string) => site.state.access_policies.find((one) => one.decision === decision);

test("up applies who may log in, for how long and how, with a new API token in place of the old one", async () => {
  const { api_tokens } = site.state;
  await site.world.deployment.configure({}, { apiToken: (await site.world.api.createToken({ name: "new" })).token });
  for (const { id } of api_tokens) await site.world.api.deleteToken(id);
  const outcome = await site.change({
    emails: ["anna@example.com", "ben@example.com"],
    emailDomains: ["example.net"],
    sessionDuration: "12h",
    tokenDuration: "720h",
    devices: ["annas-phone", "frame", "bens-phone"],
    minTlsVersion: "1.3",
    alwaysUseHttps: false,
  });
  await site.world.api.alter({ api_tokens: [...site.state.api_tokens, ...api_tokens] });
  expect(policy("allow")?.include).toEqual([
    { email: { email: "anna@example.com" } },
    { email: { email: "ben@example.com" } },
    { email_domain: { domain: "example.net" } },
  ]);
  expect(policy("allow")?.session_duration).toBe("12h");
  expect(site.state.access_apps[0]?.session_duration).toBe("12h");
  expect(policy("non_identity")?.include).toHaveLength(3);
  for (const { expires_at } of site.state.service_tokens) {
    expect((Date.parse(expires_at ?? "") - Date.now()) / 86_400_000).toBeCloseTo(30, 0);
  }
  expect([site.zoneSetting("min_tls_version"), site.zoneSetting("always_use_https")]).toEqual(["1.3", "off"]);
  expect(await site.pinged("bens-phone")).toBe(200);
  expect(changed(outcome).filter((name) => name.endsWith("-command"))).toEqual([]);
});

test("the policy pack passes the program as it is, and refuses a preview of settings that it does not allow", async () => {
  expect(site.first.output).not.toContain("does not answer");
  expect(site.first.output).toMatch(/✅ immich-access@v\S+ \(local: .*policy\)\n\n/);

  await site.world.deployment.configure({ anyServiceToken: true, certificateValidityDays: 730 });
  const refusal = await site.world.deployment.preview({ policyPacks: [PACK] }).then(String, String);
  await site.world.deployment.configure({ anyServiceToken: false, certificateValidityDays: 365 });
  expect(refusal).toMatch(/certificate-lifetime .*OriginCaCertificate/);
  expect(refusal).toMatch(/certificate-lifetime .*LocallySignedCert/);
  const violated = [...refusal.matchAll(/\[(\w+)\] +([a-z-]+) /g)].map(([, level, rule]) => `${level} ${rule}`);
  expect(new Set(violated)).toEqual(new Set(["mandatory access-tokens-named", "mandatory certificate-lifetime"]));
});

test("up applies any service token of the account, and the logins that the account has", async () => {
  const outcome = await site.change({ anyServiceToken: true, loginProvider: "account" });
  expect(policy("non_identity")?.include).toEqual([{ any_valid_service_token: {} }]);
  expect(site.state.access_apps[0]?.allowed_idps).toEqual([]);
  expect(site.state.identity_providers.map(({ type }) => type)).toEqual(["cloudflare"]);
  expect(changed(outcome).sort()).toEqual([
    "login-one-time-pin",
    `${SITE}-access-application`,
    `${SITE}-access-devices`,
  ]);
  const adopted = site.state.identity_providers[0]?.id ?? "";
  await site.change({ anyServiceToken: false, loginProvider: adopted });
  expect(policy("non_identity")?.include).toHaveLength(3);
  expect(site.state.access_apps[0]?.allowed_idps).toEqual([adopted]);
});

test("an Access application that somebody deletes opens nothing, and the host follows the new one", async () => {
  const before = await pings(site.world.sandbox);
  await site.world.api.alter({ access_apps: [] });
  // The edge requires no login any more and forwards everyone to the host, which checks the token.
  await expect.poll(async () => (await site.world.visit("/api/server/ping")).status).toBe(403);
  expect(await site.pinged()).toBe(403);
  expect(await pings(site.world.sandbox)).toBe(before);

  await site.world.deployment.refresh();
  const outcome = await site.change({});
  expect(changed(outcome)).toEqual([`${SITE}-access-application`, "nginx-command"]);
  expect((await site.outputs()).audience).toBe(site.state.access_apps[0]?.aud);
  expect(await site.pinged()).toBe(200);
});

test("up applies where Immich is, which addresses the host has, and the SSH user", async () => {
  const outcome = await site.change({
    immichUpstream: "127.0.0.1:2284",
    originAddresses: ["198.51.100.10"],
    sshUser: "deploy",
    confirmSeconds: 60,
    siteCheckSeconds: 1,
  });
  expect(site.state.dns_records.map(({ type, content, proxied }) => ({ type, content, proxied }))).toEqual([
    { type: "A", content: "198.51.100.10", proxied: true },
  ]);
  expect(await site.onHost("nginx", "-T")).toContain("proxy_pass http://127.0.0.1:2284;");
  // Nothing listens there: nginx answers 502, and `up` names the cause.
  expect(await site.pinged()).toBe(502);
  expect(outcome.output).toMatch(
    /warning: https:\/\/photos\.home\.localhost does not answer as it should after 1 s: a device gets 502, the host's nginx does not reach Immich; /,
  );
  expect(changed(outcome)).toContain("firewall-command");
  const mended = await site.change({
    immichUpstream: "127.0.0.1:2283",
    sshUser: "root",
    originJwtCheck: false,
    siteCheckSeconds: 120,
  });
  expect(mended.output).not.toContain("does not answer");
  expect(await site.pinged()).toBe(200);
  expect(await site.onHost("nginx", "-T")).not.toContain("auth_request /");
});

test("up puts shorter certificates with another key into use without downtime", async () => {
  const before = await site.onHost("sha256sum", `/etc/immich-access/${SITE}/current/origin.pem`);
  await site.change({ certificateValidityDays: 90, originPullsKey: "ECDSA-P256", originJwtCheck: true });
  expect(await site.onHost("nginx", "-T")).toContain("auth_request");
  const { certificateExpiry } = await site.outputs();
  for (const end of Object.values(certificateExpiry)) {
    expect((Date.parse(end) - Date.now()) / 86_400_000).toBeCloseTo(90, 0);
  }
  expect(await site.onHost("sha256sum", `/etc/immich-access/${SITE}/current/origin.pem`)).not.toBe(before);
  const [own] = site.state.origin_certificates.filter(({ revoked_at }) => revoked_at === null);
  expect(site.state.origin_certificates.filter(({ revoked_at }) => revoked_at === null)).toHaveLength(1);
  expect(own?.requested_validity).toBe(90);
  expect(site.state.zones[0]?.origin_pulls.hostname_certificates).toHaveLength(1);
  expect(await site.pinged()).toBe(200);
});

test("the firewall and nginx follow a pinned list of ranges", async () => {
  const pinned = ["173.245.48.0/20", "104.16.0.0/13", "2400:cb00::/32"];
  await site.change({ ipRanges: pinned });
  const rules = await site.onHost("ufw", "status");
  expect([...rules.matchAll(/^443\/tcp.* ALLOW +(\S+)/gm)].map((match) => match[1]).sort()).toEqual([...pinned].sort());
  const conf = await site.onHost("cat", "/etc/nginx/immich-access/cloudflare-ranges.conf");
  expect([...conf.matchAll(/set_real_ip_from (\S+);/g)].map((match) => match[1]).sort()).toEqual([...pinned].sort());
  expect(await site.pinged()).toBe(200);
});

test("a check for drift after all changes finds none, until somebody changes something in the dashboard", async () => {
  const look = () => site.world.deployment.preview({ refresh: true, expectNoChanges: true });
  expect((await look()).steps).toEqual([]);

  const { zones } = await site.world.api.state();
  const altered = structuredClone(zones);
  Object.assign(altered[0]?.settings["ssl"] ?? {}, { value: "full" });
  await site.world.api.alter({ zones: altered });
  await expect(look()).rejects.toThrow(/zone-tls-ssl/);
});
