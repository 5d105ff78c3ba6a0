import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DeviceHeaders } from "../../components/site-check/answers.ts";
import { runAt } from "../../dev/sandbox/network/network.ts";
import { PROJECT } from "./support/deployment.ts";
import { changed, RunningSite } from "./support/running-site.ts";
import { type Outputs, SHARES, SITE } from "./support/world.ts";

// What else may be on the host, and in the zone, beside a site: its public shares, and the site of another stack.

const PACK = join(PROJECT, "policy");
/** The shares' DNS records, as resources. */
const RECORDS = [`${SHARES}-dns-a-198-51-100-10`, `${SHARES}-dns-aaaa-2001-db8-77-10`];

const PULLS = `${SHARES}-origin-pulls-hostname`;
/** The host's steps, each of which is told of all sites. */
const STEPS = ["certificates-command", "firewall-command", "nginx-command"];

let site: RunningSite;

beforeAll(async () => {
  site = await RunningSite.start();
});
afterAll(() => site.world.close());

const sharePage = () => site.world.visit("/share/KEY", undefined, SHARES);
const shareStatus = async () => (await sharePage()).status;

/** Changes settings while a device keeps asking the main site; tells what it got. */
async function changedUnderVisitors(settings: Readonly<Record<string, unknown>>, policyPacks: string[] = []) {
  await site.outputs();
  const statuses = new Set<number>();
  let over = false;
  const up = site.change(settings, policyPacks).finally(() => (over = true));
  while (!over) {
    statuses.add(await site.pinged());
    await sleep(200);
  }
  return { names: changed(await up), statuses };
}

describe("public shares", () => {
  test("public shares are added beside the main site, their DNS record last", async () => {
    const { names, statuses } = await changedUnderVisitors({ publicShareHostname: SHARES }, [PACK]);
    expect([...statuses]).toEqual([200]);
    expect(names.filter((name) => !name.startsWith(SHARES)).sort()).toEqual(STEPS);
    const order = ["firewall-command", "certificates-command", PULLS, `${SHARES}-on-host-command`, "nginx-command"];
    expect(names.filter((name) => order.includes(name))).toEqual(order);
    expect(names.slice(-2).sort()).toEqual(RECORDS);
    expect((await site.outputs()).publicShareUrl).toBe(`https://${SHARES}`);
  });

  test("public shares show a stranger without a login the shared pages, and nothing of Immich's", async () => {
    expect(await sharePage()).toMatchObject({ status: 200, body: expect.stringContaining("Shared album") as string });
    for (const path of [
      "/api/never",
      "//api/never",
      "/%61pi/never",
      "/share/..%2fapi/never",
      "/share/%2e%2e/api/never",
    ]) {
      expect((await site.world.visit(path, undefined, SHARES)).status, path).toBe(404);
    }
    const device = (await site.outputs()).devices["annas-phone"];
    expect((await site.world.visit("/api/never", device, SHARES)).status).toBe(404);
    expect((await site.world.visit("/api/never")).status).toBe(302);
    const seen = await site.onHost("journalctl", "-q", "-o", "cat", "-u", "immich", "-u", "immich-public-proxy");
    expect(seen).toContain("GET /share/KEY");
    expect(seen).not.toContain("never");
  });

  test("public shares are closed to everyone who bypasses Cloudflare, and to its own addresses without our certificate", async () => {
    const direct = ["curl", "--silent", "--insecure", "--max-time", "3", "--output", "/dev/null"];
    const request = [
      ...["--resolve", `${SHARES}:443:${site.world.sandbox.origin.ipv4}`, "--write-out", "%{http_code}"],
      `https://${SHARES}/share/KEY`,
    ];
    expect((await runAt(site.world.sandbox.number, "edge", [...direct, ...request])).stdout).toBe("400");
    expect((await runAt(site.world.sandbox.number, "out", [...direct, ...request])).stdout).toBe("000");
  });

  test("public shares in front of Immich itself are refused, before anything changes and on the host", async () => {
    const refused = async (publicShareUpstream: string) => {
      await site.world.deployment.configure({ publicShareUpstream });
      return site.world.deployment.up().then(String, String);
    };
    expect(await refused("localhost:2283")).toContain("publicShareUpstream is Immich itself (immichUpstream)");
    const files = () =>
      site.onHost("sh", "-c", "find /etc/nginx /etc/immich-access -type f -exec sha256sum {} + | sort");
    const before = await files();
    const immich = ["/usr/bin/python3", "-I", "/usr/local/lib/immich/immich.py", "3001"];
    await site.onHost("systemd-run", "--quiet", "--unit=second-immich", ...immich);
    await site.onHost("sh", "-c", "until ss -Hltn 'src = 127.0.0.1:3001' | grep -q .; do sleep 0.05; done");
    expect(await refused("127.0.0.1:3001")).toContain("127.0.0.1:3001 is Immich itself, which would be public");
    await site.onHost("systemctl", "stop", "second-immich");
    expect(await files()).toBe(before);
    await site.world.deployment.removeSetting("publicShareUpstream");
    expect(await shareStatus()).toBe(200);
  });
});

test("origin pulls change to a certificate for the zone, to the one that all customers share, and back, and no visitor notices", async () => {
  const zone = await changedUnderVisitors({ originPulls: "zone" });
  expect(site.state.zones[0]?.origin_pulls).toMatchObject({ enabled: true, hostnames: [], hostname_certificates: [] });
  expect(site.state.zones[0]?.origin_pulls.certificates).toHaveLength(1);
  expect([await site.pinged(), await shareStatus()]).toEqual([200, 200]);

  const sharedCa = readFileSync(join(dirname(site.world.sandbox.publicCaPath), "shared-pull-ca.pem"), "utf8");
  const shared = await changedUnderVisitors({ originPulls: "shared", originPullsCa: sharedCa });
  expect(site.zoneSetting("tls_client_auth")).toBe("on");
  expect(site.state.zones[0]?.origin_pulls.certificates).toEqual([]);
  expect([await site.pinged(), await shareStatus()]).toEqual([200, 200]);

  await site.world.deployment.removeSetting("originPullsCa");
  const hostname = await changedUnderVisitors({ originPulls: "hostname" });
  expect([await site.pinged(), await shareStatus()]).toEqual([200, 200]);
  expect([zone, shared, hostname].map(({ statuses }) => [...statuses])).toEqual([[200], [200], [200]]);
});

test("public shares are removed completely, their DNS record first, and the main site does not notice", async () => {
  const { names, statuses } = await changedUnderVisitors({ publicShareHostname: "" });
  expect([...statuses]).toEqual([200]);
  expect(names.slice(0, STEPS.length).sort()).toEqual(STEPS);
  const gone = names.slice(STEPS.length);
  expect(gone.slice(0, 2).sort()).toEqual(RECORDS);
  const parts = [`${SHARES}-on-host-command`, PULLS];
  expect(gone.filter((name) => parts.includes(name))).toEqual(parts);
  // Deleted certificates stay listed.
  const zones = site.state.zones.map(({ origin_pulls, ...zone }) => ({ ...zone, ...origin_pulls, deleted: [] }));
  expect(JSON.stringify([site.state.dns_records, zones])).not.toContain(SHARES);
  const certificates = site.state.origin_certificates.filter(({ hostnames }) => hostnames.includes(SHARES));
  expect(certificates.map(({ revoked_at }) => revoked_at)).not.toContain(null);
  expect(
    await site.onHost("sh", "-c", `find /etc /run /var/lib -name '*${SHARES}*'; grep -rl ${SHARES} /etc || true`),
  ).toBe("");
  expect(await shareStatus()).toBe(409);
  expect((await site.outputs()).publicShareUrl).toBeUndefined();
});

describe("a second site of the same stack", () => {
  const ALBUM = "album.home.localhost";
  const moreSites = [
    { hostname: ALBUM, immichUpstream: "127.0.0.1:2283", emails: ["bert@example.com"], devices: ["berts-phone"] },
  ];
  const logins = async () =>
    Number(await site.onHost("sh", "-c", "journalctl -q -o cat -u ssh | grep -c '^Accepted publickey' || true"));
  const albumOf = (outputs: Outputs) => outputs.moreSites[ALBUM];

  test("a second site of a stack joins the first without downtime, in no more SSH connections than the first one took", async () => {
    const before = await logins();
    const { names, statuses } = await changedUnderVisitors({ moreSites }, [PACK]);
    expect([...statuses]).toEqual([200]);
    expect(names.filter((name) => !name.startsWith(ALBUM)).sort()).toEqual(STEPS);
    expect(names.slice(-2).every((name) => name.startsWith(`${ALBUM}-dns-`))).toBe(true);
    expect((await logins()) - before).toBe(STEPS.length);
  });

  test("a second site admits its own devices, and not the first one's", async () => {
    const outputs = await site.outputs();
    const ping = async (device: DeviceHeaders | undefined, host: string) =>
      (await site.world.visit("/api/server/ping", device, host)).status;
    const [own, other] = [outputs.devices["annas-phone"], albumOf(outputs)?.devices["berts-phone"]];
    expect(albumOf(outputs)?.url).toBe(`https://${ALBUM}`);
    expect([await ping(own, SITE), await ping(other, ALBUM)]).toEqual([200, 200]);
    expect([await ping(own, ALBUM), await ping(other, SITE)]).toEqual([403, 403]);
    expect(await ping(undefined, ALBUM)).toBe(302);
  });

  test("a second site is removed completely, and the first does not notice", async () => {
    const before = await logins();
    const { names, statuses } = await changedUnderVisitors({ moreSites: [] });
    expect([...statuses]).toEqual([200]);
    const gone = names.filter((name) => name.startsWith(ALBUM));
    expect(gone.slice(0, 2).every((name) => name.startsWith(`${ALBUM}-dns-`))).toBe(true);
    // The steps for what stays, and one for what goes.
    expect((await logins()) - before).toBe(STEPS.length + 1);
    expect(
      await site.onHost(
        "sh",
        "-c",
        `find /etc /run /var/lib -name '*${ALBUM}*'; grep -rl ${ALBUM} /etc /var/lib/immich-access || true`,
      ),
    ).toBe("");
    expect(site.state.access_apps.map(({ domain }) => domain)).toEqual([SITE]);
    expect(site.state.service_tokens.map(({ name }) => name)).not.toContain(`${ALBUM} berts-phone`);
    expect((await site.outputs()).moreSites).toEqual({});
  });
});

test("two stacks have their sites on one host, and destroying one leaves the other online", async () => {
  const album = "album.home.localhost";
  const other = await site.world.anotherStack({ hostname: album, devices: ["frame"], loginProvider: "account" });
  await other.up();
  const { devices } = await other.outputs<Outputs>();
  const ping = async () => (await site.world.visit("/api/server/ping", devices["frame"], album)).status;
  expect([await site.pinged(), await ping()]).toEqual([200, 200]);
  expect((await site.world.visit("/api/server/ping", devices["frame"])).status).toBe(403);

  await site.world.deployment.destroy();
  expect(await ping()).toBe(200);
  expect(await site.onHost("ls", "--ignore=guard.nft", "/etc/immich-access")).toBe(`${album}\n`);
  await other.destroy();
  expect(await site.onHost("ufw", "status")).not.toContain("443");
  expect((await site.world.api.state()).access_apps).toEqual([]);
});
