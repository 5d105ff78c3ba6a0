import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { LINE, PAYLOAD, RANGES } from "./firewall-support.ts";
import { listed, RangesApi } from "./support/ranges-api.ts";

let host: TestHost;
let api: RangesApi;

beforeAll(async () => {
  host = await startTestHost();
  api = await RangesApi.start(host);
  expect((await host.step("firewall", PAYLOAD)).stdout).toBe(LINE(1));
});
afterAll(async () => {
  await api.close();
  await host.close();
});

/** The ranges in force: in ufw's files, in the kernel, in nginx and in our memory, which must agree. */
async function ranges(): Promise<string[]> {
  const { stdout: status } = await host.inside("ufw status | awk '/Cloudflare/ { print $3 }' | sort");
  const kernel = "(iptables -S ufw-user-input; ip6tables -S ufw6-user-input) | awk '/dport 443/ { print $4 }' | sort";
  expect((await host.inside(kernel)).stdout).toBe(status);
  const nginx = "sed -n 's/^set_real_ip_from //p' /etc/nginx/immich-access/cloudflare-ranges.conf | tr -d ';' | sort";
  expect((await host.inside(nginx)).stdout).toBe(status);
  const kept = "tr -d '[]{}\" ' </var/lib/immich-access/ranges.json | sed 's/ipv[46]://g' | tr , '\\n' | sort";
  expect((await host.inside(kept)).stdout).toBe(status);
  return status.trim().split("\n");
}

const first = [...RANGES.ipv4, ...RANGES.ipv6];

test("a server that the host does not trust is not believed", async () => {
  const { code, said } = await api.refresh(listed(["104.16.0.0/13"], ["2606:4700::/32"]));
  expect(code).not.toBe(0);
  expect(said).toMatch(/^immich-access: cannot fetch https:\/\/api\.cloudflare\.com\/.*certificate verify failed.*\n$/);
  expect(await ranges()).toEqual(first);
  expect((await host.inside("systemctl --failed --no-legend")).stdout).toContain("immich-access-ranges.service");
  await api.trust();
});

test("new ranges get in and given-up ones are shut, in ufw and nginx", async () => {
  const { code, said } = await api.refresh(
    listed(["104.16.0.0/13", "188.114.96.0/20"], ["2400:cb00::/32", "2c0f:f248::/32"]),
  );
  expect({ code, said }).toEqual({ code: 0, said: "Cloudflare has 2 IPv4 and 2 IPv6 ranges\n" });
  expect(await ranges()).toEqual(["104.16.0.0/13", "188.114.96.0/20", "2400:cb00::/32", "2c0f:f248::/32"]);
  expect((await host.inside("systemctl --failed --no-legend")).stdout).toBe("");
  expect((await api.refresh(listed(RANGES.ipv4, RANGES.ipv6))).code).toBe(0);
  expect(await ranges()).toEqual(first);
});

test("the same ranges touch nothing", async () => {
  const times = () => host.inside("stat -c '%n %y %i' /etc/ufw/* /etc/nginx/immich-access/* /var/lib/immich-access/*");
  const before = (await times()).stdout;
  expect((await api.refresh(listed(RANGES.ipv4, RANGES.ipv6))).code).toBe(0);
  expect((await times()).stdout).toBe(before);
});

test.each([
  ["an error page", "<html>Please wait</html>", "does not answer with address ranges"],
  ["a refusal", { success: false, result: null }, "does not answer with address ranges"],
  ["everything", listed(["0.0.0.0/0"], RANGES.ipv6), "0.0.0.0/0 is wider than /8"],
  ["a private network", listed(["172.0.0.0/8", ...RANGES.ipv4], RANGES.ipv6), "overlaps 172.16.0.0/12"],
  ["a sharp shrink", listed(["104.16.0.0/13"], RANGES.ipv6), "1 IPv4 ranges instead of 3"],
  ["nothing", listed(RANGES.ipv4, []), "IPv6 ranges is empty"],
])("%s is refused, and the last good ranges stay", async (_what, answer, reason) => {
  const { code, said } = await api.refresh(answer);
  expect(code).not.toBe(0);
  expect(said).toMatch(/^immich-access: [^\n]+\n$/);
  expect(said).toContain(reason);
  expect(await ranges()).toEqual(first);
});

test("a ufw that somebody disabled is left so, and is an error", async () => {
  await host.inside("ufw disable");
  const { code, said } = await api.refresh(listed(RANGES.ipv4, RANGES.ipv6));
  expect(code).not.toBe(0);
  expect(said).toContain("ufw is disabled, so everyone reaches this host; run `ufw enable` on it");
  expect((await host.inside("ufw status | head -1; ufw --force enable")).stdout).toMatch(/^Status: inactive\n/);
});

test("a flushed firewall is set up again by the daily run", async () => {
  await host.inside("iptables -P INPUT ACCEPT; iptables -F");
  expect((await api.refresh(listed(RANGES.ipv4, RANGES.ipv6))).code).toBe(0);
  expect(await ranges()).toEqual(first);
  expect((await host.ssh("iptables -S INPUT | head -1")).stdout).toBe("-P INPUT DROP\n");
});

test("an unreachable API leaves the ranges and fails within the service's time", async () => {
  await api.stop();
  const { code, said } = await api.refresh("");
  expect(code).not.toBe(0);
  expect(said).toMatch(/^immich-access: cannot fetch .*; the former ranges stay in force\n$/);
  expect(await ranges()).toEqual(first);
});

test("the timer is enabled, catches up after downtime and does not call on the dot", async () => {
  const { stdout } = await host.inside(
    "systemctl show immich-access-ranges.timer -p Persistent -p RandomizedDelayUSec",
  );
  expect(stdout).toBe("RandomizedDelayUSec=6h\nPersistent=yes\n");
  expect((await host.inside("systemctl is-active immich-access-ranges.timer")).stdout).toBe("active\n");
});
