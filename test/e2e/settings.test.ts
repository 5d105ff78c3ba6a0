import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { State } from "../../sandbox/api/state.ts";
import { runAt } from "../../sandbox/network/network.ts";
import { type Outcome, PROJECT } from "./support/deployment.ts";
import { pings } from "./support/traffic.ts";
import { type Outputs, SHARES, SITE, startWorld, type World } from "./support/world.ts";

// What each setting changes, seen from outside: in the API's state, on the host and in what visitors get. Settings that
// have nothing to do with one another are changed together, because each `up` takes seconds.

const PACK = join(PROJECT, "policy");

let world: World;
let state: State;
let first: Outcome;
/** Since the last change, as soon as somebody has asked for them. */
let outputs: Promise<Outputs> | undefined;

beforeAll(async () => {
  world = await startWorld();
  first = await world.deployment.up([PACK]);
});
afterAll(() => world.close());
beforeEach(async () => {
  state = await world.api.state();
});

async function change(settings: Readonly<Record<string, unknown>>): Promise<Outcome> {
  await world.deployment.configure(settings);
  const outcome = await world.deployment.up();
  outputs = undefined;
  state = await world.api.state();
  return outcome;
}

function known(): Promise<Outputs> {
  outputs ??= world.deployment.outputs<Outputs>();
  return outputs;
}

async function pinged(device = "annas-phone"): Promise<number> {
  const { devices } = await known();
  return (await world.visit("/api/server/ping", devices[device])).status;
}

const onHost = async (...command: string[]) => (await world.sandbox.runOnHost(command)).stdout;
const changed = ({ steps }: Outcome) =>
  steps
    .filter(({ type }) => !type.startsWith("immich-access:"))
    .map(({ name }) => name)
    .sort();
const policy = (decision: string) => state.access_policies.find((one) => one.decision === decision);
const zoneSetting = (id: string) => state.zones[0]?.settings[id]?.value;

test("who may come in, for how long, and with what, by an API token that takes the place of another", async () => {
  const { api_tokens } = state;
  await world.deployment.configure({}, { apiToken: (await world.api.createToken({ name: "new" })).token });
  for (const { id } of api_tokens) await world.api.deleteToken(id);
  const outcome = await change({
    emails: ["anna@example.com", "ben@example.com"],
    emailDomains: ["example.net"],
    sessionDuration: "12h",
    tokenDuration: "720h",
    devices: ["annas-phone", "frame", "bens-phone"],
    minTlsVersion: "1.3",
    alwaysUseHttps: false,
  });
  await world.api.alter({ api_tokens: [...state.api_tokens, ...api_tokens] });
  expect(policy("allow")?.include).toEqual([
    { email: { email: "anna@example.com" } },
    { email: { email: "ben@example.com" } },
    { email_domain: { domain: "example.net" } },
  ]);
  expect(policy("allow")?.session_duration).toBe("12h");
  expect(state.access_apps[0]?.session_duration).toBe("12h");
  expect(policy("non_identity")?.include).toHaveLength(3);
  for (const { expires_at } of state.service_tokens) {
    expect((Date.parse(expires_at ?? "") - Date.now()) / 86_400_000).toBeCloseTo(30, 0);
  }
  expect([zoneSetting("min_tls_version"), zoneSetting("always_use_https")]).toEqual(["1.3", "off"]);
  expect(await pinged("bens-phone")).toBe(200);
  expect(changed(outcome).filter((name) => name.endsWith("-command"))).toEqual([]);
});

test("the policy pack passes the program as it is, and stops a preview of settings that it does not allow", async () => {
  expect(first.output).toMatch(/✅ immich-access@v\S+ \(local: .*policy\)\n\n/);

  await world.deployment.configure({ anyServiceToken: true, certificateValidityDays: 730 });
  const refusal = await world.deployment.preview({ policyPacks: [PACK] }).then(String, String);
  await world.deployment.configure({ anyServiceToken: false, certificateValidityDays: 365 });
  expect(refusal).toMatch(/certificate-lifetime .*OriginCaCertificate/);
  expect(refusal).toMatch(/certificate-lifetime .*LocallySignedCert/);
  const violated = [...refusal.matchAll(/\[(\w+)\] +([a-z-]+) /g)].map(([, level, rule]) => `${level} ${rule}`);
  expect(new Set(violated)).toEqual(new Set(["mandatory access-tokens-named", "mandatory certificate-lifetime"]));
});

test("any service token of the account, and the logins that the account has", async () => {
  const outcome = await change({ anyServiceToken: true, loginProvider: "account" });
  expect(policy("non_identity")?.include).toEqual([{ any_valid_service_token: {} }]);
  expect(state.access_apps[0]?.allowed_idps).toEqual([]);
  expect(state.identity_providers.map(({ type }) => type)).toEqual(["cloudflare"]);
  expect(changed(outcome)).toEqual(["login-one-time-pin", `${SITE}-access-application`, `${SITE}-access-devices`]);
  const adopted = state.identity_providers[0]?.id ?? "";
  await change({ anyServiceToken: false, loginProvider: adopted });
  expect(policy("non_identity")?.include).toHaveLength(3);
  expect(state.access_apps[0]?.allowed_idps).toEqual([adopted]);
});

test("an Access application that somebody deletes opens nothing, and a new one is followed", async () => {
  const before = await pings(world.sandbox);
  await world.api.alter({ access_apps: [] });
  // The edge asks for nothing any more and leads everyone to the host, which does.
  await expect.poll(async () => (await world.visit("/api/server/ping")).status, { timeout: 5000 }).toBe(403);
  expect(await pinged()).toBe(403);
  expect(await pings(world.sandbox)).toBe(before);

  await world.deployment.refresh();
  const outcome = await change({});
  expect(changed(outcome)).toEqual([`${SITE}-access-application`, `${SITE}-token-check-command`]);
  expect((await known()).audience).toBe(state.access_apps[0]?.aud);
  expect(await pinged()).toBe(200);
});

test("where Immich is, under which addresses the host, and as whom to log in there", async () => {
  const outcome = await change({
    immichUpstream: "127.0.0.1:2284",
    originAddresses: ["198.51.100.10"],
    sshUser: "deploy",
    confirmSeconds: 60,
  });
  expect(state.dns_records.map(({ type, content, proxied }) => ({ type, content, proxied }))).toEqual([
    { type: "A", content: "198.51.100.10", proxied: true },
  ]);
  expect(await onHost("nginx", "-T")).toContain("proxy_pass http://127.0.0.1:2284;");
  // Nothing listens there: the site is up and says so.
  expect(await pinged()).toBe(502);
  expect(changed(outcome)).toContain("firewall-command");
  await change({ immichUpstream: "127.0.0.1:2283", sshUser: "root", originJwtCheck: false });
  expect(await pinged()).toBe(200);
  expect(await onHost("nginx", "-T")).not.toContain("auth_request");
});

test("shorter certificates with another key are put into use without the site going away", async () => {
  const before = await onHost("sha256sum", `/etc/immich-access/${SITE}/current/origin.pem`);
  await change({ certificateValidityDays: 90, originPullsKey: "ECDSA-P256", originJwtCheck: true });
  expect(await onHost("nginx", "-T")).toContain("auth_request");
  const { certificateExpiry } = await known();
  for (const end of Object.values(certificateExpiry)) {
    expect((Date.parse(end) - Date.now()) / 86_400_000).toBeCloseTo(90, 0);
  }
  expect(await onHost("sha256sum", `/etc/immich-access/${SITE}/current/origin.pem`)).not.toBe(before);
  const [own] = state.origin_certificates.filter(({ revoked_at }) => revoked_at === null);
  expect(state.origin_certificates.filter(({ revoked_at }) => revoked_at === null)).toHaveLength(1);
  expect(own?.requested_validity).toBe(90);
  expect(state.zones[0]?.origin_pulls.hostname_certificates).toHaveLength(1);
  expect(await pinged()).toBe(200);
});

const sharePage = () => world.visit("/share/KEY", undefined, SHARES);
/** Names of changed resources in the order in which the engine was done with them. */
const inOrder = ({ steps }: Outcome) =>
  steps
    .filter(({ type }) => !type.startsWith("immich-access:"))
    .toSorted((one, other) => one.done - other.done)
    .map(({ name }) => name);
const shareStatus = async () => (await sharePage()).status;

/** Runs an `up` while a device keeps asking the main site; tells what it got. */
async function upWithVisitors(policyPacks: string[] = []): Promise<{ outcome: Outcome; statuses: Set<number> }> {
  await known();
  const statuses = new Set<number>();
  let over = false;
  const up = world.deployment.up(policyPacks).finally(() => (over = true));
  while (!over) {
    statuses.add(await pinged());
    await sleep(200);
  }
  const outcome = await up;
  outputs = undefined;
  state = await world.api.state();
  return { outcome, statuses };
}

describe("public shares", () => {
  test("are added beside the main site, the way of their name last", async () => {
    await world.deployment.configure({ publicShareHostname: SHARES });
    const { outcome, statuses } = await upWithVisitors([PACK]);
    expect([...statuses]).toEqual([200]);
    const names = inOrder(outcome);
    expect(names.filter((name) => !name.startsWith(`${SHARES}-`))).toEqual([]);
    const places = ["certificates-command", "origin-pulls-hostname", "nginx-command", "dns-a-198-51-100-10"].map(
      (part) => names.indexOf(`${SHARES}-${part}`),
    );
    expect(places).toEqual(places.toSorted((one, other) => one - other));
    expect(places).not.toContain(-1);
    expect(places.at(-1)).toBe(names.length - 1);
    expect((await known()).publicShareUrl).toBe(`https://${SHARES}`);
  });

  test("show a stranger who has logged in nowhere the shared pages, and nothing of Immich's", async () => {
    expect(await sharePage()).toMatchObject({ status: 200, body: expect.stringContaining("Shared album") as string });
    for (const path of [
      "/api/never",
      "//api/never",
      "/%61pi/never",
      "/share/..%2fapi/never",
      "/share/%2e%2e/api/never",
    ]) {
      expect((await world.visit(path, undefined, SHARES)).status, path).toBe(404);
    }
    const device = (await known()).devices["annas-phone"];
    expect((await world.visit("/api/never", device, SHARES)).status).toBe(404);
    expect((await world.visit("/api/never")).status).toBe(302);
    const seen = await onHost("journalctl", "-q", "-o", "cat", "-u", "immich", "-u", "immich-public-proxy");
    expect(seen).toContain("GET /share/KEY");
    expect(seen).not.toContain("never");
  });

  test("are shut to whoever comes past Cloudflare, also from its own addresses", async () => {
    const direct = ["curl", "--silent", "--insecure", "--max-time", "3", "--output", "/dev/null"];
    const request = [
      ...["--resolve", `${SHARES}:443:${world.sandbox.origin.ipv4}`, "--write-out", "%{http_code}"],
      `https://${SHARES}/share/KEY`,
    ];
    expect((await runAt(world.sandbox.number, "edge", [...direct, ...request])).stdout).toBe("400");
    expect((await runAt(world.sandbox.number, "out", [...direct, ...request])).stdout).toBe("000");
  });

  test("are refused where Immich itself is to be behind them, before anything changes and on the host", async () => {
    const refused = async (publicShareUpstream: string) => {
      await world.deployment.configure({ publicShareUpstream });
      return world.deployment.up().then(String, String);
    };
    expect(await refused("localhost:2283")).toContain("publicShareUpstream is Immich itself (immichUpstream)");
    const files = () => onHost("sh", "-c", "find /etc/nginx /etc/immich-access -type f -exec sha256sum {} + | sort");
    const before = await files();
    const immich = ["/usr/bin/python3", "-I", "/usr/local/lib/immich/immich.py", "3001"];
    await onHost("systemd-run", "--quiet", "--unit=second-immich", ...immich);
    await onHost("sh", "-c", "until ss -Hltn 'src = 127.0.0.1:3001' | grep -q .; do sleep 0.05; done");
    expect(await refused("127.0.0.1:3001")).toContain("127.0.0.1:3001 is Immich itself, which would be public");
    await onHost("systemctl", "stop", "second-immich");
    expect(await files()).toBe(before);
    await world.deployment.removeSetting("publicShareUpstream");
    expect(await shareStatus()).toBe(200);
  });
});

test("origin pulls with a certificate for the zone, then with the one that all of Cloudflare's customers share", async () => {
  await change({ originPulls: "zone" });
  expect(state.zones[0]?.origin_pulls).toMatchObject({ enabled: true, hostnames: [], hostname_certificates: [] });
  expect(state.zones[0]?.origin_pulls.certificates).toHaveLength(1);
  expect([await pinged(), await shareStatus()]).toEqual([200, 200]);

  const sharedCa = readFileSync(join(dirname(world.sandbox.publicCaPath), "shared-pull-ca.pem"), "utf8");
  await change({ originPulls: "shared", originPullsCa: sharedCa });
  expect(zoneSetting("tls_client_auth")).toBe("on");
  expect(state.zones[0]?.origin_pulls.certificates).toEqual([]);
  expect([await pinged(), await shareStatus()]).toEqual([200, 200]);

  await world.deployment.removeSetting("originPullsCa");
  await change({ originPulls: "hostname" });
  expect([await pinged(), await shareStatus()]).toEqual([200, 200]);
});

test("public shares go without a trace, the way of their name first, and the main site does not notice", async () => {
  await world.deployment.configure({ publicShareHostname: "" });
  const { outcome, statuses } = await upWithVisitors();
  expect([...statuses]).toEqual([200]);
  const names = inOrder(outcome);
  expect(names.filter((name) => !name.startsWith(`${SHARES}-`))).toEqual([]);
  expect(names[0]).toBe(`${SHARES}-dns-a-198-51-100-10`);
  const parts = ["nginx-command", "origin-pulls-hostname", "certificates-command"].map((part) => `${SHARES}-${part}`);
  expect(names.filter((name) => parts.includes(name))).toEqual(parts);
  expect(JSON.stringify([state.dns_records, state.zones])).not.toContain(SHARES);
  const certificates = state.origin_certificates.filter(({ hostnames }) => hostnames.includes(SHARES));
  expect(certificates.map(({ revoked_at }) => revoked_at)).not.toContain(null);
  expect(await onHost("sh", "-c", `find /etc /run /var/lib -name '*${SHARES}*'; grep -rl ${SHARES} /etc || true`)).toBe(
    "",
  );
  expect(await shareStatus()).toBe(409);
  expect((await known()).publicShareUrl).toBeUndefined();
});

test("a pinned list of ranges is what the firewall and nginx go by", async () => {
  const pinned = ["173.245.48.0/20", "104.16.0.0/13", "2400:cb00::/32"];
  await change({ ipRanges: pinned });
  const rules = await onHost("ufw", "status");
  expect([...rules.matchAll(/^443\/tcp.* ALLOW +(\S+)/gm)].map((match) => match[1]).sort()).toEqual([...pinned].sort());
  const conf = await onHost("cat", "/etc/nginx/immich-access/cloudflare-ranges.conf");
  expect([...conf.matchAll(/set_real_ip_from (\S+);/g)].map((match) => match[1]).sort()).toEqual([...pinned].sort());
  expect(await pinged()).toBe(200);
});

test("and after all of that, a look for drift finds none, until somebody changes something in the dashboard", async () => {
  const look = () => world.deployment.preview({ refresh: true, expectNoChanges: true });
  expect((await look()).steps).toEqual([]);

  const { zones } = await world.api.state();
  const altered = structuredClone(zones);
  Object.assign(altered[0]?.settings["ssl"] ?? {}, { value: "full" });
  await world.api.alter({ zones: altered });
  await expect(look()).rejects.toThrow(/zone-tls-ssl/);
});

test("two stacks have their sites on one host, and the end of one leaves the other online", async () => {
  const album = "album.home.localhost";
  const other = await world.anotherStack({ hostname: album, devices: ["frame"], loginProvider: "account" });
  await other.up();
  const { devices } = await other.outputs<Outputs>();
  const ping = async () => (await world.visit("/api/server/ping", devices["frame"], album)).status;
  expect([await pinged(), await ping()]).toEqual([200, 200]);
  expect((await world.visit("/api/server/ping", devices["frame"])).status).toBe(403);

  await world.deployment.destroy();
  expect(await ping()).toBe(200);
  expect(await onHost("ls", "/etc/immich-access")).toBe(`${album}\n`);
  await other.destroy();
  expect(await onHost("ufw", "status")).not.toContain("443");
  expect((await world.api.state()).access_apps).toEqual([]);
});
