import { afterAll, beforeAll, expect, test } from "vitest";
import type { SshOptions } from "../../dev/sandbox/host/host.ts";
import { startTestHost, type TestHost } from "../support/host.ts";
import {
  BY_OWN_RULES,
  confirm,
  foreignRules,
  LINE,
  PAYLOAD,
  RANGES,
  reach,
  strangerTries,
  undone,
} from "./firewall-support.ts";

// The rules of an owner who configured ufw carefully before using this program.
const OWNERS_RULES = [
  "allow from 192.168.1.0/24 to any port 443 proto tcp comment 'at home'",
  "limit 8022/tcp comment 'the other sshd'",
  "deny from 198.51.100.77",
  "deny in on wan0 to any port 25",
  "reject out to any port 25 proto tcp",
  "allow from 2001:db8:1::/48 to any port 5432:5433 proto tcp",
  "route allow in on wan0 out on adm0 to 10.9.0.0/16 port 80 proto tcp",
  "allow 'CUPS'",
];

let host: TestHost;
let usersRules: string;
let usersFiles: string;
beforeAll(async () => {
  host = await startTestHost();
  await listenOn("Port 2222");
  await host.inside("printf '[CUPS]\\ntitle=CUPS\\ndescription=CUPS\\nports=631\\n' >/etc/ufw/applications.d/cups");
  for (const rule of OWNERS_RULES) expect(await host.inside(`ufw ${rule}`), rule).toMatchObject({ code: 0 });
  await host.inside(
    "ufw logging high; sed -i '/^COMMIT/i -A ufw-before-input -s 10.9.0.0/16 -j ACCEPT' /etc/ufw/before.rules",
  );
  usersRules = await foreignRules(host);
  expect(usersRules.match(/### tuple/g)).toHaveLength(12);
  usersFiles = await files();
});
afterAll(() => host.close());

/** Makes sshd listen as its configuration says with these lines, and on nothing else. */
async function listenOn(...lines: string[]): Promise<void> {
  await host.inside("cat >/etc/ssh/sshd_config.d/port.conf && systemctl restart ssh", {
    input: `${lines.join("\n")}\n`,
  });
}

/** ufw's files that no step may change, whatever it does. */
async function files(): Promise<string> {
  const names = "/etc/default/ufw /etc/ufw/*before* /etc/ufw/*after* /etc/ufw/sysctl.conf /etc/ufw/applications.d/*";
  return (await host.inside(`sha256sum ${names}; grep LOGLEVEL /etc/ufw/ufw.conf`)).stdout;
}

const V6 = () => `fd77:${host.number}::2`;

/** The ports among these at which a stranger gets an answer, if only a refusal. */
async function answering(...ports: number[]): Promise<string> {
  const found = await reach((command) => host.fromStranger(command), ports);
  return ports.filter((port) => [4, 6].some((version) => found[`${port}-v${version}`] !== "silent")).join();
}

test("ufw's first start keeps SSH open on its own port at every moment, and nothing else", async () => {
  const stop = strangerTries(host, { open: [2222] });
  const answer = await host.step("firewall", { ...PAYLOAD, sshPort: 2222 }, { port: 2222 });
  expect(answer).toMatchObject({ code: 0, said: LINE(1, 2222) });
  expect(await confirm(host, true, { port: 2222 })).toMatchObject({ code: 0, stdout: "1\n" });
  expect(await stop()).toBe("");
  expect(await answering(22, 80, 2222)).toBe("2222");
});

test("the connection itself shows the SSH port that a router has translated", async () => {
  const answer = await host.step("firewall", { ...PAYLOAD, sshPort: 40022 }, { port: 2222 });
  expect(answer).toMatchObject({ code: 0, said: LINE(1, 2222) });
});

test("sshd moves to another port that its owner has allowed: the new port stays open, and the former one is closed", async () => {
  await host.inside("ufw allow 2200/tcp");
  usersRules = await foreignRules(host);
  await listenOn("Port 2222", "Port 2200");
  const stop = strangerTries(host, { open: [2200] });
  const answer = await host.step("firewall", { ...PAYLOAD, sshPort: 2200 }, { port: 2200 });
  expect(answer).toMatchObject({ code: 0, said: LINE(2, 2200, BY_OWN_RULES) });
  expect(await confirm(host, true, { port: 2200 })).toMatchObject({ stdout: "2\n" });
  expect(await stop()).toBe("");
  expect(await answering(2222, 2200)).toBe("2200");
});

test("every rule and file of an owner's active ufw stays, byte for byte and in order", async () => {
  const kernel = "iptables -S; ip6tables -S; iptables -S ufw-user-forward";
  const others = async () => (await host.inside(`(${kernel}) | grep -v 'dport 443'`)).stdout;
  const before = await others();
  const ranges = { ipv4: ["173.245.48.0/20"], ipv6: RANGES.ipv6 };
  expect(await host.step("firewall", { ...PAYLOAD, sshPort: 2200, ranges }, { port: 2200 })).toMatchObject({ code: 0 });
  expect(await confirm(host, true, { port: 2200 })).toMatchObject({ stdout: "3\n" });
  expect(await foreignRules(host)).toBe(usersRules);
  expect(await files()).toBe(usersFiles);
  expect(await others()).toBe(before);
  expect(before).toContain("-A ufw-user-forward");
});

test("an owner whose ufw ignores IPv6, and whose SSH uses IPv6 only, keeps SSH", async () => {
  await host.step("firewall-remove", PAYLOAD, { port: 2200 });
  await host.inside("ufw delete allow 2200/tcp; ufw disable; sed -i 's/^IPV6=.*/IPV6=no/' /etc/default/ufw");
  await listenOn("AddressFamily inet6", "Port 2200");
  const way: SshOptions = { port: 2200, address: V6() };
  expect((await host.inside("ss -Hltn sport = 2200")).stdout).toMatch(/^LISTEN +0 +\d+ +\[::\]:2200 [^\n]*\n$/);

  const stop = strangerTries(host, { open: [2200], over: ["v6"] });
  const answer = await host.step("firewall", { ...PAYLOAD, sshPort: 2200 }, way);
  expect(answer).toMatchObject({ code: 0, said: LINE(1, 2200) });
  expect(await confirm(host, true, way)).toMatchObject({ stdout: "1\n" });
  expect(await stop()).toBe("");
  expect(await answering(22, 80, 443, 2200)).toBe("2200");
});

test("a change that nobody confirms, because the workstation is gone, is rolled back", async () => {
  const way: SshOptions = { port: 2200, address: V6() };
  const state = async () => (await host.inside("cat /etc/ufw/user*.rules /etc/default/ufw; ip6tables -S")).stdout;
  const before = await state();
  const stop = strangerTries(host, { open: [2200], over: ["v6"] });
  const ranges = { ...RANGES, ipv6: ["2606:4700::/32"] };
  await host.step("firewall", { ...PAYLOAD, sshPort: 2200, ranges, confirmSeconds: 10 }, way);
  expect(await state()).not.toBe(before);
  await undone(host);
  expect(await stop()).toBe("");
  expect(await state()).toBe(before);
  expect(await host.ssh("true", way)).toMatchObject({ code: 0 });
});
