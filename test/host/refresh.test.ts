import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import {
  LINE,
  listen,
  ONLY_SSH,
  PAYLOAD,
  RANGES,
  reach,
  SSH_AND_HTTPS,
  strangerTries,
  withFullDisk,
} from "./firewall-support.ts";
import { ORIGIN_CA, serverCertificate } from "./support/origin.ts";
import { listed, RangesApi } from "./support/ranges-api.ts";

let host: TestHost;
let api: RangesApi;

beforeAll(async () => {
  host = await startTestHost();
  api = await RangesApi.start(host);
  await listen(host);
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1));
  // The pauses between attempts are for an API that is busy.
  await host.inside(`sed -i 's/^PAUSES_SECONDS = .*/PAUSES_SECONDS = (0, 0.1)/' ${AGENT}/firewall/refresh.py`);
});
afterAll(async () => {
  await api.close();
  await host.close();
});

const AGENT = "/usr/local/lib/immich-access/agent";
const FAILED = "systemctl --failed --no-legend; systemctl status --no-pager immich-access-ranges";

/** The ranges in force: in ufw's files, in the kernel, in nginx and in our memory, which must agree. */
async function ranges(): Promise<string[]> {
  const { stdout: status } = await host.inside("ufw status | awk '/Cloudflare/ { print $3 }' | sort");
  const kernel = "(iptables -S ufw-user-input; ip6tables -S ufw6-user-input) | awk '/dport 443/ { print $4 }' | sort";
  expect((await host.inside(kernel)).stdout).toBe(status);
  const nginx = "sed -n 's/^set_real_ip_from //p' /etc/nginx/immich-access/cloudflare-ranges.conf | tr -d ';' | sort";
  expect((await host.inside(nginx)).stdout).toBe(status);
  const kept =
    "tr -d '[]{}\" ' </var/lib/immich-access/ranges.json | sed 's/ipv[46]://g; s/version:[0-9]*,//' | tr , '\\n' | sort";
  expect((await host.inside(kept)).stdout).toBe(status);
  return status.trim().split("\n");
}

/** Every block of /8 that is on the internet. */
const EIGHTS = Array.from({ length: 223 }, (_, index) => index + 1)
  .filter((first) => ![10, 100, 127, 169, 172, 192, 198, 203].includes(first))
  .map((first) => `${first}.0.0.0/8`);

const first = [...RANGES.ipv4, ...RANGES.ipv6];
const good = listed(RANGES.ipv4, RANGES.ipv6);
const other = listed(["104.16.0.0/13", "188.114.96.0/20"], ["2400:cb00::/32", "2c0f:f248::/32"]);
const otherRanges = ["104.16.0.0/13", "188.114.96.0/20", "2400:cb00::/32", "2c0f:f248::/32"];

/** A refresh that must fail with a reason, that everyone sees, and leave everything as it is. */
async function failure(answer: string | object, how?: Parameters<RangesApi["refresh"]>[1]): Promise<string> {
  const { code, said } = await api.refresh(answer, how);
  expect(code).not.toBe(0);
  expect(said).toMatch(/^immich-access: [^\n]+\n$/);
  const seen = (await host.inside(FAILED)).stdout;
  expect(seen).toMatch(/^\S* ?immich-access-ranges\.service .*failed/);
  expect(seen).toContain(said.trim());
  expect(await ranges()).toEqual(first);
  return said;
}

describe("with a stranger who watches", () => {
  let stop: () => Promise<string>;

  test("a service listens on 443, and Cloudflare reaches it", async () => {
    await expect.poll(() => reach((command) => host.fromEdge(command)), { timeout: 60_000 }).toEqual(SSH_AND_HTTPS);
    stop = strangerTries(host, { shut: [443, 2283], open: [22] });
  });

  test("the refresh does not trust a server with an untrusted certificate", async () => {
    expect(await failure(other)).toMatch(
      /^immich-access: cannot fetch https:\/\/api\.cloudflare\.com\/.*certificate verify failed/,
    );
    await api.trust();
  });

  test("the refresh allows new ranges and blocks those that were given up, in ufw and nginx", async () => {
    const { code, said } = await api.refresh(other);
    expect({ code, said }).toEqual({ code: 0, said: "Cloudflare has 2 IPv4 and 2 IPv6 ranges\n" });
    expect(await ranges()).toEqual(otherRanges);
    expect((await host.inside("systemctl --failed --no-legend")).stdout).toBe("");
    expect((await api.refresh(good)).code).toBe(0);
    expect(await ranges()).toEqual(first);
  });

  test("the refresh touches nothing if the ranges are the same, also repeated or with other line ends", async () => {
    const times = () =>
      host.inside(
        "stat -c '%n %y %i' /etc/ufw/* /etc/nginx/immich-access/* /var/lib/immich-access/* | grep -v /status.json",
      );
    const before = (await times()).stdout;
    const untidy = (list: string[]) => [...list, ...list].reverse().map((range) => `${range}\r\n`);
    for (const answer of [good, listed(untidy(RANGES.ipv4), untidy(RANGES.ipv6))]) {
      expect((await api.refresh(answer)).code).toBe(0);
    }
    expect((await times()).stdout).toBe(before);
  });

  test.each<[string, string | object, string, Parameters<RangesApi["refresh"]>[1]?]>([
    ["an error page", "<html>Please wait</html>", "does not answer with address ranges"],
    ["a refusal", { success: false, result: null }, "does not answer with address ranges"],
    ["an answer that ends in the middle", JSON.stringify(good).slice(0, 70), "does not answer with address ranges"],
    ["a connection that ends too soon", JSON.stringify(good).slice(0, 70), "does not answer", { lacks: 100 }],
    ["an error of the server's", good, "HTTP Error 503", { status: 503 }],
    ["everything", listed(["0.0.0.0/0"], RANGES.ipv6), "0.0.0.0/0 is wider than /8"],
    ["a private network", listed(["172.0.0.0/8", ...RANGES.ipv4], RANGES.ipv6), "overlaps 172.16.0.0/12"],
    ["half of the ranges", listed(RANGES.ipv4, ["2606:4700::/32"]), "1 IPv6 ranges instead of 2"],
    [
      "one that is repeated in place of the others",
      listed(
        Array.from({ length: 3 }, () => "104.16.0.0/13"),
        RANGES.ipv6,
      ),
      "1 IPv4 ranges instead of 3",
    ],
    ["most of the internet", listed(EIGHTS, RANGES.ipv6), "the 215 IPv4 ranges have 84 % of all addresses"],
    ["three times as much", listed([...RANGES.ipv4, "108.0.0.0/12"], RANGES.ipv6), "with 298 % of their addresses"],
    ["nothing", listed(RANGES.ipv4, []), "IPv6 ranges is empty"],
  ])("the refresh refuses %s, and the last good ranges stay", async (_what, answer, reason, how) => {
    expect(await failure(answer, how)).toContain(reason);
  });

  test.each([
    ["when the first file is new", "files.py", "fresh.rename(path)"],
    ["between the IP versions", "firewall/kernel.py", "restore(version, _user_rules(files, version))"],
    ["before nginx has them", "nginx/real_ip.py", "wanted = _ranges_file(ipv4, ipv6)"],
  ])("a refresh that is killed %s opens nothing, and the next one completes it", async (_when, file, line) => {
    const pattern = line.replaceAll(/[.*()]/g, "\\$&");
    const kill = `__import__("signal").raise_signal(9)`;
    await host.inside(`cp ${AGENT}/${file} /run/kept; sed -Ei 's/^( *)${pattern}$/&\\n\\1${kill}/' ${AGENT}/${file}`);
    expect((await api.refresh(other)).code).not.toBe(0);
    await host.inside(`mv /run/kept ${AGENT}/${file}`);
    expect((await host.inside(FAILED)).stdout).toMatch(/immich-access-ranges\.service .*failed[^]*signal/);
    expect(await reach((command) => host.fromStranger(command))).toEqual(ONLY_SSH);
    expect((await api.refresh(other)).code).toBe(0);
    expect(await ranges()).toEqual(otherRanges);
    expect((await api.refresh(good)).code).toBe(0);
    expect(await ranges()).toEqual(first);
  });

  test.each(["/etc/ufw", "/var/lib/immich-access", "/etc/nginx/immich-access"])(
    "a disk that is full at %s keeps the last good ranges, and the next refresh applies the new ones",
    async (folder) => {
      // More than fit into what is left of the last page of a file.
      const ipv4 = Array.from({ length: 150 }, (_, index) => `104.16.${index}.0/24`);
      await withFullDisk(host, folder, 0, async () => {
        const { code, said, told } = await api.refresh(listed(ipv4, RANGES.ipv6));
        expect({ code, said }).toMatchObject({
          code: 1,
          said: expect.stringContaining("No space left on device") as string,
        });
        expect(JSON.parse(told)).toMatchObject({ ok: false, ranges: { ipv4: RANGES.ipv4.length } });
      });
      expect((await host.inside(FAILED)).stdout).toContain("No space left on device");
      expect(await ranges()).toEqual(first);
      expect((await api.refresh(good)).code).toBe(0);
      expect(await ranges()).toEqual(first);
    },
  );

  test("the refresh names a wrong clock, early or late", async () => {
    await host.inside("cat >>/etc/ssl/certs/ca-certificates.crt", { input: ORIGIN_CA.certificate });
    const day = 86_400_000;
    const cases: [change: { notBefore?: Date; notAfter?: Date }, reason: string][] = [
      [{ notBefore: new Date(Date.now() + day) }, "begins only later"],
      [{ notAfter: new Date(Date.now() - day / 2) }, "has ended"],
    ];
    for (const [change, reason] of cases) {
      api.present(serverCertificate("api.cloudflare.com", change));
      const today = new Date().toISOString().slice(0, 10);
      expect(await failure(other)).toContain(`its certificate ${reason} by this host's clock, which says ${today}`);
    }
    api.present(serverCertificate("api.cloudflare.com"));
    expect((await api.refresh(good)).code).toBe(0);
  });

  test("the stranger reached nothing but SSH", async () => {
    expect(await stop()).toBe("");
  });
});

test("a ufw that somebody disabled stays so, and the refresh fails", async () => {
  await host.inside("ufw disable");
  const { code, said } = await api.refresh(good);
  expect(code).not.toBe(0);
  expect(said).toContain("ufw is disabled, so everyone reaches this host; run `ufw enable` on it");
  expect((await host.inside("ufw status | head -1; ufw --force enable")).stdout).toMatch(/^Status: inactive\n/);
});

test("the refresh sets up a flushed firewall again", async () => {
  await host.inside("iptables -P INPUT ACCEPT; iptables -F");
  expect((await api.refresh(good)).code).toBe(0);
  expect(await ranges()).toEqual(first);
  expect((await host.ssh("iptables -S INPUT | head -1")).stdout).toBe("-P INPUT DROP\n");
});

test("the refresh keeps the ranges if the API is unreachable, and fails within the service's time", async () => {
  await api.stop();
  expect(await failure("")).toMatch(/^immich-access: cannot fetch .*; the former ranges stay in force\n$/);
});

test("the refresh's timer is daily, catches up after downtime and does not run on the hour", async () => {
  const { stdout } = await host.inside(
    "systemctl show immich-access-ranges.timer -p Persistent -p RandomizedDelayUSec -p TimersCalendar",
  );
  expect(stdout).toMatch(
    /^TimersCalendar=\{ OnCalendar=\*-\*-\* 00:00:00 .*\nRandomizedDelayUSec=6h\nPersistent=yes\n$/,
  );
  expect((await host.inside("systemctl is-active immich-access-ranges.timer")).stdout).toBe("active\n");
});

/** What the refresh has told: the line in the journal, which everybody finds in a file as well. */
async function toldBy(refresh: ReturnType<RangesApi["refresh"]>): Promise<Record<string, unknown>> {
  const { told } = await refresh;
  const file = "/var/lib/immich-access/status.json";
  expect((await host.inside(`stat -c %a ${file}; runuser -u nobody -- cat ${file}`)).stdout).toBe(`644\n${told}`);
  return JSON.parse(told) as Record<string, unknown>;
}

test("a refresh tells in one line of JSON what it found, well or not", async () => {
  await api.close();
  api = await RangesApi.start(host);
  await api.trust();
  const before = Date.now() - 1000;
  const fine = await toldBy(api.refresh(good));
  const { time, ranges: counted } = fine as { time: string; ranges: { fetched: string } };
  expect(fine).toEqual({
    version: 1,
    time,
    ok: true,
    ranges: { ipv4: RANGES.ipv4.length, ipv6: RANGES.ipv6.length, fetched: counted.fetched },
    guardInForce: true,
    waysIn: 0,
    certificates: [{ hostname: PAYLOAD.hostname, endsOn: null }],
  });
  for (const told of [time, counted.fetched]) expect(Date.parse(told)).toBeGreaterThanOrEqual(before);

  await host.inside("nft delete table inet immich_access");
  expect(await toldBy(api.refresh("<html>"))).toMatchObject({
    ok: false,
    guardInForce: false,
    waysIn: null,
    ranges: counted,
  });
  expect(await toldBy(api.refresh(good))).toMatchObject({ ok: true, guardInForce: true });
});

test("the removal of the firewall takes it along", async () => {
  expect((await host.inside("test -e /var/lib/immich-access/status.json")).code).toBe(0);
  await host.step("firewall-remove", PAYLOAD);
  expect((await host.inside("ls /var/lib/immich-access")).code).not.toBe(0);
});
