// The deployment runs on the host itself: SSH over loopback, which proves no way in from outside.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { BY_OWN_RULES, confirm, LINE, PAYLOAD, RANGES, reach, strangerTries, undone } from "./firewall-support.ts";

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  await host.inside("cp -a /etc/ufw /etc/ufw.first; cp -a /etc/default/ufw /etc/default/ufw.first");
});
afterAll(() => host.close());
afterEach(async () => {
  const records = "systemctl stop immich-access-undo; rm -rf /var/lib/immich-access; ufw --force disable";
  const first =
    "rm -rf /etc/ufw && cp -a /etc/ufw.first /etc/ufw; cp -a /etc/default/ufw.first /etc/default/ufw; for i in iptables ip6tables; do $i -P INPUT ACCEPT; $i -F; $i -X; done";
  await host.inside(`${records}; ${first}`);
});

const HERE = { onHost: true };

/** The network of the machine that the tests run on, from which the owner comes in. */
const LAN = () => `10.77.${host.number}.0/30`;

const step = (told: object = {}) => host.step("firewall", { ...PAYLOAD, ...told }, HERE);
const confirmHere = (final = true) => confirm(host, final, { ...HERE, timeout: 60_000 });
const stranger = async () => (await reach((command) => host.fromStranger(command), [22]))["22-v4"];
const owner = async () => (await host.ssh("true", { timeout: 5000 })).code === 0;
const everyone = async () => ({ stranger: await stranger(), owner: await owner() });

const OTHER_RANGES = { ranges: { ...RANGES, ipv4: ["104.16.0.0/13"] } };

describe("whoever reaches SSH before still does, nobody else does, and loopback confirms it", () => {
  test.each([
    ["everyone, without a firewall", "true", LINE(1), "open", true],
    [
      "a network, by rules of iptables",
      () =>
        `for i in iptables ip6tables; do $i -A INPUT -i lo -j ACCEPT; $i -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; $i -P INPUT DROP; done; iptables -A INPUT -s ${LAN()} -p tcp --dport 22 -j ACCEPT`,
      () => LINE(1, 22, `to ${LAN()}`),
      "silent",
      true,
    ],
    [
      "a network, by an active ufw",
      () => `ufw allow from ${LAN()} to any port 22 proto tcp; ufw --force enable`,
      LINE(1, 22, BY_OWN_RULES),
      "silent",
      true,
    ],
    ["everyone, by the default of an active ufw", "ufw default allow; ufw --force enable", LINE(1), "open", true],
    [
      "nobody, by rules of iptables",
      "for i in iptables ip6tables; do $i -A INPUT -i lo -j ACCEPT; $i -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; $i -P INPUT DROP; done",
      LINE(1, 22, BY_OWN_RULES),
      "silent",
      false,
    ],
    ["nobody, by an active ufw", "ufw --force enable", LINE(1, 22, BY_OWN_RULES), "silent", false],
  ] as const)("%s", async (_whom, prepare, line, strangers, owners) => {
    await host.inside(typeof prepare === "string" ? prepare : prepare());
    expect(await everyone()).toEqual({ stranger: strangers, owner: owners });
    const stop = strangerTries(host, { [strangers === "open" ? "open" : "shut"]: [22] });
    expect((await step()).said).toBe(typeof line === "string" ? line : line());
    expect(await confirmHere()).toMatchObject({ code: 0, stdout: "1\n" });
    expect(await everyone()).toEqual({ stranger: strangers, owner: owners });
    // A later change keeps it so, and so does the removal.
    expect((await step(OTHER_RANGES)).code).toBe(0);
    expect(await confirmHere()).toMatchObject({ code: 0, stdout: "2\n" });
    expect(await everyone()).toEqual({ stranger: strangers, owner: owners });
    expect((await host.step("firewall-remove", PAYLOAD, HERE)).code).toBe(0);
    expect(await stop()).toBe("");
    expect(await everyone()).toEqual({ stranger: strangers, owner: owners });
  });

  test("who may come in is asked where rules cannot tell, and nothing is changed", async () => {
    await host.inside("iptables -A INPUT -p tcp --dport 22 -m limit --limit 100/s -j ACCEPT");
    const { code, said } = await step();
    expect(code).toBe(1);
    expect(said).toMatch(/cannot be told from `iptables -A INPUT .*sshFrom.*; nothing has been changed/);
    expect((await step({ sshFrom: ["0.0.0.0/0", "::/0"] })).code).toBe(0);
    expect(await confirmHere()).toMatchObject({ code: 0 });
  });

  test("nobody, where sshd listens on loopback only: no rule is added, whatever sshFrom says", async () => {
    const file = "/etc/ssh/sshd_config.d/loopback.conf";
    await host.inside(`echo 'ListenAddress 127.0.0.1' >${file}; systemctl restart ssh`);
    expect((await step({ sshFrom: ["192.168.9.0/24"] })).said).toBe(LINE(1, 22, BY_OWN_RULES));
    expect(await confirmHere()).toMatchObject({ code: 0, stdout: "1\n" });
    await host.inside(`rm ${file}; systemctl restart ssh`);
    expect(await stranger()).toBe("silent");
  });
});

test("an unconfirmed change from the host itself is undone, too", async () => {
  expect((await step({ confirmSeconds: 2 })).code).toBe(0);
  await undone(host);
  expect((await host.inside("ufw status")).stdout).toBe("Status: inactive\n");
  expect(await confirmHere(false)).toMatchObject({ code: 0 });
  expect(await confirmHere()).toMatchObject({ code: 0 });
});

describe("a change that shuts SSH to some", () => {
  const narrow = { sshFrom: ["192.168.9.0/24"] };
  test("asks for a login from outside, and is undone without one", async () => {
    expect((await step()).code).toBe(0);
    expect((await confirmHere()).code).toBe(0);
    const { said } = await step({ ...narrow, confirmSeconds: 12 });
    expect(said).toMatch(
      /; the internet could reach SSH before: log in over SSH from another machine within 12 s, .*198\.51\.100\.10/,
    );
    expect(await owner()).toBe(false);
    const { code, stderr } = await confirmHere();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^immich-access: log in over SSH from another machine within \d+ s/);
    expect(stderr).toContain("nobody has logged in over SSH from another machine");
    await undone(host);
    expect(await everyone()).toEqual({ stranger: "open", owner: true });
  });

  test("is confirmed by such a login, and neither by an older one nor by one from the host", async () => {
    expect((await step()).code).toBe(0);
    expect((await confirmHere()).code).toBe(0);
    const stay = "while [ ! -e /run/enough ]; do sleep 0.1; done";
    const older = host.ssh(stay);
    const here = host.ssh(stay, HERE);
    await sleep(1000);
    expect((await step({ sshFrom: [LAN()], confirmSeconds: 60 })).said).toContain("could reach SSH before");
    const confirmed = confirmHere();
    const early = await Promise.race([confirmed, sleep(5000)]);
    expect(early).toBeUndefined();
    const newer = host.ssh(stay);
    expect(await confirmed).toMatchObject({ code: 0, stdout: "2\n" });
    await host.inside("touch /run/enough");
    await Promise.all([older, here, newer]);
    await host.inside("rm /run/enough");
    expect(await everyone()).toEqual({ stranger: "silent", owner: true });
  });
});

test("a change that was made from outside is not confirmed by a connection from the host itself", async () => {
  expect((await host.step("firewall", { ...PAYLOAD, confirmSeconds: 8 })).code).toBe(0);
  expect((await step({ confirmSeconds: 8 })).code).toBe(0);
  expect((await confirmHere()).stderr).toContain("nobody has logged in");
  await undone(host);
  // What is made again on the host itself leaves open what was open, so that it needs nobody from outside.
  expect(await confirmHere(false)).toMatchObject({ code: 0 });
  expect(await confirmHere()).toMatchObject({ code: 0 });
  expect(await everyone()).toEqual({ stranger: "open", owner: true });
});

test("a user whom sudo asks for a password is refused in one line, even if somebody has typed it lately", async () => {
  const sudoers = "nosudo ALL=(ALL) ALL\nDefaults timestamp_type=global\n";
  await host.inside("cat >/etc/sudoers.d/nosudo; echo nosudo:secret | chpasswd", { input: sudoers });
  const typed = await host.inside("su nosudo -c 'echo secret | sudo -S true && sudo -n true'");
  expect(typed).toMatchObject({ code: 0 });
  const { code, said } = await host.step("firewall", PAYLOAD, { ...HERE, user: "nosudo" });
  expect({ code, said }).toMatchObject({
    code: 1,
    said: expect.stringMatching(/^immich-access: sudo asks nosudo for a password; [^\n]*\n$/) as string,
  });
});

test("a stack moves to the host itself and back: nothing differs, and a narrow rule stays narrow", async () => {
  const rules = async () => (await host.inside("cat /etc/ufw/user.rules /etc/ufw/user6.rules")).stdout;
  const narrow = { sshFrom: [LAN()] };
  expect((await host.step("firewall", { ...PAYLOAD, ...narrow })).code).toBe(0);
  expect((await confirm(host, true)).code).toBe(0);
  const before = await rules();
  const line = LINE(1, 22, `to ${LAN()}`);
  expect((await step(narrow)).said).toBe(line);
  expect(await confirmHere()).toMatchObject({ code: 0, stdout: "1\n" });
  expect((await host.step("firewall", { ...PAYLOAD, ...narrow })).said).toBe(line);
  expect(await rules()).toBe(before);
});
