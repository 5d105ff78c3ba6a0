// One answer of Cloudflare's API at a time is not what it documents; all others are those of the API double.
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { apiReader } from "../../../cli/doctor/cloudflare/api.ts";
import { examine } from "../../../cli/doctor/examine.ts";
import type { HostReport } from "../../../cli/doctor/host.ts";
import type { DoctorPayload } from "../../../components/origin-host/payload.ts";
import { selfSigned } from "../../../dev/sandbox/certificates/x509.ts";
import { DEV } from "../../../dev/sandbox/api/world.ts";
import { type ApiFixture, startApiFixture } from "../../../dev/sandbox/test/api-fixture.ts";
import { checkSettings } from "../../../settings/check.ts";
import { GOOD } from "../support/configuration.ts";

const SITE = `photos.${DEV.zoneName}`;
const [zone, account] = [`/zones/${DEV.zone}`, `/accounts/${DEV.account}`];

/** Each path that the doctor reads, and the findings that cannot be made without it. */
const READS: readonly [path: string, ...findings: string[]][] = [
  ["/ips", "workstation-clock"],
  ["/user/tokens/verify", "api-token"],
  [zone, "zone", "visitor-certificate"],
  [`${zone}/dns_records`, "dns-record"],
  [`${zone}/settings/ssl`, "ssl-mode"],
  [`${zone}/settings/ssl_automatic_mode`, "ssl-mode"],
  [`${zone}/settings/max_upload`, "ssl-mode"],
  [`${zone}/origin_tls_client_auth/hostnames/${SITE}`, "origin-pulls"],
  ["/certificates", "origin-certificate"],
  [`${account}/access/apps`, "access-application"],
  [`${account}/access/identity_providers`, "access-application"],
  [`${account}/access/service_tokens`, "device-tokens"],
  [`${account}/access/organizations`, "strict-tokens"],
];

const good = (result: unknown) => ({ success: true, errors: [], messages: [], result });
/** Answers of every wrong kind: status and body. */
const BAD: readonly [status: number, body: unknown][] = [
  [502, "<html>Bad gateway</html>"],
  [200, "<html>Just a moment...</html>"],
  [403, "<html>Sorry, you have been blocked</html>"],
  [200, null],
  [200, "down"],
  [200, { success: false, errors: null, result: null }],
  [200, { success: false, errors: [null, "x", { code: "x" }, { message: 5 }] }],
  [403, { success: false, errors: [{ message: "no code" }], result: null }],
  [400, { success: false, errors: [{ code: 1003, message: "Undefined" }], result: null }],
  [429, { success: false, errors: [{ code: 971, message: "Please wait" }] }],
  ...[null, {}, [], [{}], [null], "text", [[]], { value: null }, { name: 5, status: 5, expires_on: {} }].map(
    (result): [number, unknown] => [200, good(result)],
  ),
  [200, good([{ domain: SITE, destinations: 5, policies: "x", created_at: 5 }])],
  [200, good([{ domain: SITE, aud: null, policies: [{ include: null }, { include: [null] }, null] }])],
  [200, good([{ type: "CNAME" }, { type: "A", content: null, proxied: "x" }])],
  [200, good([{ certificate: "-----BEGIN CERTIFICATE-----" }])],
  [200, good({ enabled: true, certificate: "x", status: null, expires_on: null })],
];

let bad: { path: string; status: number; body: unknown } | undefined;
let fixture: ApiFixture;
let apiUrl: string;
/** Passes requests on to the double, except for those with a bad answer. */
const server = http.createServer((incoming, response) => {
  const path = (incoming.url ?? "").replace(/\?.*/, "");
  if (path === bad?.path) {
    response.writeHead(bad.status, { "content-type": "application/json" });
    response.end(typeof bad.body === "string" ? bad.body : JSON.stringify(bad.body));
    return;
  }
  const { port } = fixture.api;
  const on = { host: "127.0.0.1", port, path: `/client/v4${incoming.url ?? ""}`, headers: incoming.headers };
  http.get(on, (answer) => {
    response.writeHead(answer.statusCode ?? 0, answer.headers);
    answer.pipe(response);
  });
});

beforeAll(async () => {
  fixture = await startApiFixture();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}`;
});
afterAll(async () => {
  server.close();
  await fixture.close();
});

const { certificate } = selfSigned({
  subject: [["CN", "site"]],
  notBefore: new Date(Date.now() - 86_400_000),
  notAfter: new Date(Date.now() + 90 * 86_400_000),
});
/** A host of which only the certificate is told. */
const reportOf = ({ sites }: DoctorPayload): HostReport => ({
  step: "doctor",
  revision: 0,
  host: "home",
  checks: {},
  sites: Object.fromEntries(
    sites.map(({ hostname }) => [hostname, { checks: {}, facts: { clientCa: certificate, certificate } }]),
  ),
  facts: {
    time: Date.now() / 1000,
    ranges: { ipv4: [], ipv6: [] },
    busy: null,
    guardedPorts: [],
    addresses: [],
    refresh: null,
  },
});

async function findings(apiToken = fixture.token) {
  const ours = { hostname: SITE, zoneId: DEV.zone, accountId: DEV.account, apiToken, apiUrl };
  const { values } = checkSettings({ ...GOOD, ...ours });
  if (!values) throw new Error("the settings of the test are wrong");
  const away = (host: string) => ({ from: { host, port: undefined }, to: { host: "127.0.0.1", port: 1 } });
  const device = { clientId: "1.access", clientSecret: "secret", expiresAt: "2027-11-24T10:00:00Z" };
  return examine({
    settings: values,
    outputs: { url: `https://${SITE}`, audience: "aud", devices: { "annas-phone": device } },
    network: { detours: [SITE, ...values.originAddresses].map(away), ca: undefined },
    lookUp: () => Promise.reject(new Error("no name is looked up")),
    api: apiReader(apiUrl, values.apiToken),
    askHost: (_, payload) => Promise.resolve(reportOf(payload)),
  });
}

it("every path that the doctor reads is among those that are spoilt here", async () => {
  bad = undefined;
  const { id: last } = (await fixture.admin.requests()).at(-1) ?? { id: 0 };
  const whole = await findings();
  const asked = (await fixture.admin.requests(last)).map(({ path }) =>
    path.replace("/client/v4", "").replace(/\?.*/, ""),
  );
  const settings = /\/settings\/(min_tls_version|always_use_https|websockets)$/;
  expect(new Set(asked.filter((path) => !settings.test(path)))).toEqual(new Set(READS.map(([path]) => path)));
  expect(whole.filter(({ place }) => place === "cloudflare").length).toBeGreaterThan(12);
});

it.each(READS)("a bad answer for %s is a finding, never an error or a stack", async (path, ...needed) => {
  for (const [status, body] of BAD) {
    bad = { path, status, body };
    const found = await findings();
    const shown = JSON.stringify(bad);
    expect(JSON.stringify(found), shown).not.toMatch(/TypeError|Cannot read|is not a function|not iterable|\.ts:\d/);
    // A list of tokens that is not theirs has a finding for each device.
    const ids = found.map(({ id }) => (id === "token-annas-phone" ? "device-tokens" : id));
    for (const id of needed) expect(ids, shown).toContain(id);
    for (const { status: result, why, fix } of found) {
      if (result !== "ok") expect([why, fix], shown).not.toContain("");
    }
  }
});

it("an account without Zero Trust is named as that, and no permission as missing", async () => {
  bad = undefined;
  const { organizations } = await fixture.admin.state();
  await fixture.admin.alter({ organizations: [] });
  const found = await findings();
  await fixture.admin.alter({ organizations });
  for (const id of ["access-application", "device-tokens", "strict-tokens"]) {
    expect(found.find((one) => one.id === id)).toMatchObject({
      status: "wrong",
      says: "the account has no Zero Trust team",
      fix: expect.stringContaining("https://one.dash.cloudflare.com") as string,
    });
  }
  expect(JSON.stringify(found)).not.toContain("token lacks");
});

it("a token that Cloudflare refuses for the moment is not called wrong, one that it does not know is", async () => {
  bad = undefined;
  const usable_from = new Date(Date.now() + 3_600_000).toISOString();
  const { token } = await fixture.admin.createToken({ name: "new", usable_from });
  const told = async (apiToken: string) => (await findings(apiToken)).find(({ id }) => id === "api-token");
  expect(await told(token)).toMatchObject({
    status: "unknown",
    says: "the API request failed: it answers 403, Unable to authenticate request (10000)",
    fix: "run the doctor again",
  });
  expect(await told("x".repeat(40))).toMatchObject({
    status: "wrong",
    says: "Cloudflare does not accept it: Invalid API Token (1000)",
  });
});
