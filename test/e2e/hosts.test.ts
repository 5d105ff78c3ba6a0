import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sandboxSettings } from "../../dev/commands/sandbox-settings.ts";
import { ORIGIN } from "../../dev/sandbox/network/network.ts";
import { failures, startProber } from "./support/prober.ts";
import { changed, RunningSite } from "./support/running-site.ts";
import { SECOND_ORIGIN, startSecondHost, type SecondHost } from "./support/second-host.ts";
import { SITE } from "./support/world.ts";

// A second real host joins a site that is online, serves it together with the first one, and leaves again.

let site: RunningSite;
let second: SecondHost;

beforeAll(async () => {
  site = await RunningSite.start();
  second = await startSecondHost(site.world);
});
afterAll(async () => {
  await second.close();
  await site.world.close();
});

/** A shell command line on each host; what it prints. */
const onBoth = async (command: string) => ({
  main: await site.onHost("sh", "-c", command),
  second: await second.inside(command),
});

/** What a device gets while something goes on. */
async function whileVisited<T>(work: Promise<T>): Promise<{ result: T; statuses: number[] }> {
  const statuses = new Set<number>();
  let over = false;
  const ended = work.finally(() => (over = true));
  // The cached outputs are of before the change, which leaves the devices as they are.
  const { devices } = await site.outputs();
  while (!over) {
    statuses.add((await site.world.visit("/api/server/ping", devices["annas-phone"])).status);
    await sleep(100);
  }
  return { result: await ended, statuses: [...statuses] };
}

/** What so many requests of a device get, one after the other. */
async function visits(count: number): Promise<number[]> {
  const statuses = new Set<number>();
  for (let visit = 0; visit < count; visit += 1) statuses.add(await site.pinged());
  return [...statuses];
}

const LOGINS = "journalctl -q -o cat -u ssh | grep -c 'Accepted publickey' || true";
const FINGERPRINT = `sha256sum <"/etc/immich-access/${SITE}/current/origin.pem"`;

describe("a second host", () => {
  test("a second host joins a site that is online, and nobody bypasses Access on either host at any time", async () => {
    await site.outputs();
    const probers = [ORIGIN, SECOND_ORIGIN].map((origin) => startProber({ ...site.world.sandbox, origin }, SITE));
    const { result, statuses } = await whileVisited(
      site.change({
        // One address each, as Cloudflare tries no more than one other where nobody answers.
        originAddresses: [ORIGIN.ipv4],
        moreHosts: [{ ...second.settings, originAddresses: [SECOND_ORIGIN.ipv6] }],
      }),
    );
    for (const prober of probers) expect(failures(await prober.stop(), result.steps)).toEqual([]);
    expect(statuses).toEqual([200]);

    const steps = ["firewall", "certificates", "nginx"].map((part) => `${second.settings.sshAddress}-${part}-command`);
    const names = changed(result);
    expect(names.filter((name) => steps.includes(name))).toEqual(steps);
    expect(names.filter((name) => name.endsWith("-command")).sort()).toEqual(
      [...steps, `${SITE}-${second.settings.sshAddress}-on-host-command`].sort(),
    );
    expect(names.slice(-2)).toEqual([`${SITE}-dns-aaaa-2001-db8-78-10`, `${SITE}-dns-aaaa-2001-db8-77-10`]);
    expect(await second.inside(LOGINS)).toBe("3\n");
  });

  test("a second host serves the site together with the first one", async () => {
    const log = `grep -cE 'GET /api/server/ping HTTP/(1.1|2.0)" 200' /var/log/nginx/access.log || true`;
    const before = await onBoth(log);
    expect(await visits(40)).toEqual([200]);
    const after = await onBoth(log);
    const served = [Number(after.main) - Number(before.main), Number(after.second) - Number(before.second)];
    expect(served.reduce((sum, count) => sum + count)).toBe(40);
    expect(Math.min(...served)).toBeGreaterThan(4);
  });

  test("a second host refuses strangers, and Cloudflare's addresses without its certificate", async () => {
    for (const address of [ORIGIN, SECOND_ORIGIN].flatMap(({ ipv4, ipv6 }) => [ipv4, `[${ipv6}]`])) {
      const request = [
        ...[
          "curl",
          "--silent",
          "--insecure",
          "--max-time",
          "3",
          "--output",
          "/dev/null",
          "--write-out",
          "%{http_code}",
        ],
        ...["--resolve", `${SITE}:443:${address}`, `https://${SITE}/api/server/ping`],
      ];
      expect((await site.world.sandbox.runAsStranger(request)).stdout, address).toBe("000");
      expect((await site.world.sandbox.runAtEdge(request)).stdout, address).toBe("400");
    }
  });
});

test("a new certificate reaches both hosts before the old one is revoked", async () => {
  const before = await onBoth(FINGERPRINT);
  expect(before.second).toBe(before.main);
  const { statuses } = await whileVisited(site.change({ certificateValidityDays: 90 }));
  expect(statuses).toEqual([200]);
  const after = await onBoth(FINGERPRINT);
  expect(after.second).toBe(after.main);
  expect(after.main).not.toBe(before.main);
  const valid = site.state.origin_certificates.filter(({ revoked_at }) => revoked_at === null);
  expect(valid.map(({ requested_validity }) => requested_validity)).toEqual([90]);
  expect(await visits(20)).toEqual([200]);
});

test("while nginx is down on one host, the other one serves everybody", async () => {
  await second.inside("systemctl stop nginx");
  expect(await visits(30)).toEqual([200]);
  await second.inside("systemctl start nginx");
  await site.onHost("systemctl", "stop", "nginx");
  expect(await visits(30)).toEqual([200]);
  await site.onHost("systemctl", "start", "nginx");
});

test("the second host takes the first one's place, and keeps the site", async () => {
  const { sshAddress, sshHostKey } = sandboxSettings(site.world.sandbox).plain;
  const moreHosts = [{ ...second.settings, originAddresses: [SECOND_ORIGIN.ipv6] }];
  const { statuses } = await whileVisited(
    site.change({ ...second.settings, originAddresses: [SECOND_ORIGIN.ipv6], moreHosts: [] }),
  );
  expect(statuses).toEqual([200]);
  expect(await visits(20)).toEqual([200]);
  expect(await second.inside("ls --ignore=guard.nft /etc/immich-access")).toBe(`${SITE}\n`);
  await site.change({ sshAddress, sshHostKey, originAddresses: [ORIGIN.ipv4], moreHosts });
  expect(await visits(20)).toEqual([200]);
});

test("the second host leaves, its record first, and nothing of the site stays on it", async () => {
  await site.world.deployment.removeSetting("moreHosts");
  const { result, statuses } = await whileVisited(site.change({}));
  expect(statuses).toEqual([200]);
  const { sshAddress } = second.settings;
  const others = changed(result).filter((name) => !name.includes(sshAddress));
  expect(others).toEqual([`${SITE}-dns-aaaa-2001-db8-78-10`]);
  const step = (name: string) => result.steps.find((one) => one.name === name);
  const record = step(`${SITE}-dns-aaaa-2001-db8-78-10`);
  for (const part of [`${SITE}-${sshAddress}-on-host-command`, `${sshAddress}-firewall-command`]) {
    expect(record?.done, part).toBeLessThan(step(part)?.began ?? 0);
  }
  expect(site.state.dns_records.map(({ content }) => content)).toEqual([ORIGIN.ipv4]);

  // Except systemd's notes of former timers, the step lock, and the sandbox's part of sshd.
  const left = `find /etc /run /var/lib /var/cache /usr/local/lib \\( -path /etc/ssh -o -path /var/lib/systemd \\) -prune -o \\
    \\( -name '*immich-access*' ! -name immich-access.lock -o -name '*${SITE}*' \\) -print`;
  expect(await second.inside(left)).toBe("");
  expect(await second.inside(`nginx -T 2>/dev/null | grep -c ${SITE} || true`)).toBe("0\n");
  expect(await second.inside("ufw status")).toBe("Status: inactive\n");
  expect(await visits(20)).toEqual([200]);
});
