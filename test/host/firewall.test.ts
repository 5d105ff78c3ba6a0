import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import {
  ALL_OPEN,
  foreignRules,
  LINE,
  listen,
  ONLY_SSH,
  PAYLOAD,
  RANGES,
  reach,
  SSH_AND_HTTPS,
  strangerTries,
} from "./firewall-support.ts";

let host: TestHost;
let usersRules: string;
beforeAll(async () => {
  host = await startTestHost();
  await listen(host);
  const rules = ["allow 25/tcp", "deny from 198.51.100.77", "allow from 192.168.1.0/24 to any port 443 comment 'mine'"];
  for (const rule of rules) expect((await host.inside(`ufw ${rule}`)).code).toBe(0);
  usersRules = await foreignRules(host);
});
afterAll(() => host.close());

const fromStranger = () => reach((command) => host.fromStranger(command));
const fromEdge = () => reach((command) => host.fromEdge(command));

test("the first firewall step allows SSH for everyone and 443 for Cloudflare, over both IP versions", async () => {
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0, said: LINE(1) });
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
  expect(await foreignRules(host)).toBe(usersRules);
  const { stdout } = await host.inside("systemctl is-enabled ufw immich-access-ranges.timer; ufw status | head -1");
  expect(stdout).toBe("enabled\nenabled\nStatus: active\n");
});

test("ufw itself reads the rules back as they are", async () => {
  const before = (await host.inside("ufw status numbered; cat /etc/ufw/user.rules")).stdout;
  expect(before).toContain("immich-access: Cloudflare");
  await host.inside("ufw allow 26/tcp && ufw delete allow 26/tcp");
  expect((await host.inside("ufw status numbered; cat /etc/ufw/user.rules")).stdout).toBe(before);
});

test("a second firewall step touches no file and no rule, whoever runs it", async () => {
  const folders = "/etc/ufw /etc/default/ufw /etc/systemd/system /var/lib/immich-access /usr/local/lib/immich-access";
  const times = () => host.inside(`find ${folders} -printf '%p %T@ %i\\n' | sort`);
  const counters = () => host.inside("iptables -nvxL ufw-user-input | grep -w 443");
  await fromEdge();
  const before = { times: (await times()).stdout, counters: (await counters()).stdout };
  // Packets have been counted, so rules that are loaded again would show.
  expect(before.counters).toMatch(/^ +[1-9]/m);
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0, said: LINE(1) });
  expect(await host.step("firewall", PAYLOAD, { user: "deploy" })).toMatchObject({ code: 0, said: LINE(1) });
  expect({ times: (await times()).stdout, counters: (await counters()).stdout }).toEqual(before);
});

test("what Python made of the agent is kept and used for the same agent only, and does no harm when damaged", async () => {
  const kept = "/var/cache/immich-access/firewall.*";
  expect((await host.inside(`stat -c %a ${kept}`)).stdout).toBe("644\n");
  // The kept `agent.answer` of the same agent is run in the place of its text.
  const meddle = (version: string) =>
    host.inside("python3 -", {
      input: `import glob, marshal
name = glob.glob("${kept}")[0]
version, bytecode = marshal.load(open(name, "rb"))
bytecode["agent/answer.py"] = compile("raise SystemExit(77)", "<kept>", "exec")
marshal.dump((${version}, bytecode), open(name, "wb"))`,
    });
  await meddle("version");
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 77 });
  await meddle("version + 'another'");
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0, said: LINE(1) });
  await host.inside(`truncate -s 1000 ${kept}`);
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0, said: LINE(1) });
  expect(Number((await host.inside(`stat -c %s ${kept}`)).stdout)).toBeGreaterThan(1000);
});

test("a user without sudo gets one clear line", async () => {
  const answer = await host.step("firewall", PAYLOAD, { user: "nosudo" });
  expect(answer).toMatchObject({ code: 1, answer: "" });
  expect(answer.said).toMatch(/^immich-access: sudo asks nosudo for a password; .*\n$/);
});

test("a range that Cloudflare gave up is blocked, and the user's rules stay", async () => {
  const ranges = { ipv4: ["103.21.244.0/22", "104.16.0.0/13"], ipv6: ["2606:4700::/32"] };
  expect((await host.step("firewall", { ...PAYLOAD, ranges })).said).toMatch(/^firewall change 2: .* 2 IPv4 and 1 /);
  expect(await fromEdge()).toEqual(ONLY_SSH);
  expect(await foreignRules(host)).toBe(usersRules);
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(3));
  expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
});

test("rules that differ in the kernel only are repaired", async () => {
  await host.inside("iptables -I ufw-user-input -p tcp --dport 443 -j ACCEPT");
  await host.inside("ip6tables -D ufw6-user-input -s 2400:cb00::/32 -p tcp --dport 443 -j ACCEPT");
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(4));
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
});

test.each([
  ["behind ufw's chains", "", "INPUT -p tcp -m tcp --dport 443 -j ACCEPT"],
  ["in ufw's file and loaded", "/etc/ufw/before.rules", "ufw-before-input -p tcp -m tcp --dport 443 -j ACCEPT"],
])("the firewall step refuses a rule %s that opens the port, and its remedy works", async (_where, file, rule) => {
  if (file) await host.inside(`cp ${file} /run/kept && sed -i '/^COMMIT/i -A ${rule}' ${file}`);
  await host.inside(`iptables -A ${rule}`);
  expect(await fromStranger()).toMatchObject({ "443-v4": "open" });
  const { code, said } = await host.step("firewall", PAYLOAD);
  expect({ code, said }).toMatchObject({ code: 1, said: expect.stringContaining(file) as string });
  const remedy = /run `(iptables -D [^`]+)` on the host/.exec(said)?.[1] ?? "no remedy";
  expect((await host.inside(remedy)).code).toBe(0);
  if (file) await host.inside(`cp /run/kept ${file}`);
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(4));
});

test("a flushed firewall is set up again", async () => {
  await host.inside("iptables -P INPUT ACCEPT; iptables -F");
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(5));
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
});

// Leaves IPv6 shut and IPv4 as it is, so that ufw must be started anew and the step still gets in.
const UNHOOK = "ip6tables -D INPUT -j ufw6-before-input";

test("ufw's chains are rebuilt without a moment in which the host is open or SSH is blocked", async () => {
  await host.inside(UNHOOK);
  const stop = strangerTries(host, { shut: [2283], open: [22], over: ["v4"] });
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(6));
  expect(await stop()).toBe("");
  expect((await host.inside("iptables -S; ip6tables -S")).stdout).not.toContain("guard");
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
});

test("a run that is killed while ufw starts leaves the host closed except for SSH; the next one completes it", async () => {
  await host.inside(UNHOOK);
  const killed = host.step("firewall", PAYLOAD);
  await host.inside(
    "for i in $(seq 500); do iptables -S INPUT | grep -q immich-access-guard && break; sleep 0.02; done; sleep 0.2; " +
      "agent=$(sed 's/.*process \\([0-9]*\\).*/\\1/' /run/immich-access.lock); kill -9 $agent; pkill -9 ufw-init",
  );
  expect((await killed).code).not.toBe(0);
  expect((await host.inside("iptables -S")).stdout).toContain("immich-access-guard");
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(8));
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
});

test("a firewall that allows everything by default is closed", async () => {
  await host.inside("ufw default allow incoming");
  expect(await fromStranger()).toMatchObject({ "443-v4": "open", "2283-v6": "silent" });
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(9));
  expect(await fromStranger()).toEqual(ONLY_SSH);
  expect(await foreignRules(host)).toBe(usersRules);
});

test("a busy ufw is waited for, and then named", async () => {
  const hold =
    "import fcntl,time; f=open('/run/ufw.lock','w'); fcntl.lockf(f,2); open('/run/held','w'); time.sleep(600)";
  await host.inside(
    `systemd-run -q --unit holder /usr/bin/python3 -c "${hold}"; until [ -e /run/held ]; do sleep 0.1; done`,
  );
  const answer = await host.step("firewall", { ...PAYLOAD, ranges: { ...RANGES, ipv4: ["104.16.0.0/13"] } });
  await host.inside("systemctl stop holder");
  expect(answer).toMatchObject({ code: 1, answer: "" });
  expect(answer.said).toMatch(/^immich-access: ufw is busy: python3 \(process \d+\) holds \/run\/ufw.lock; .*\n$/);
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(9));
});

test("removal gives back the ufw that was off, leaves the user's rules, and nothing of ours", async () => {
  for (const run of [1, 2]) {
    const answer = await host.step("firewall-remove", PAYLOAD);
    expect({ run, ...answer }).toMatchObject({ run, code: 0 });
    expect(await fromEdge()).toEqual(ALL_OPEN);
    expect(await foreignRules(host)).toBe(usersRules);
  }
  const left =
    "ls -d /usr/local/lib/immich-access /var/lib/immich-access /var/cache/immich-access /etc/systemd/system/immich-access*";
  expect((await host.inside(`${left}; ufw status | head -1`)).stdout).toBe("Status: inactive\n");
  expect((await host.inside("systemctl list-units --all --no-legend 'immich*'")).stdout).toBe("");
});

test("removal works if ufw is gone", async () => {
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1));
  await host.inside("ufw disable; dpkg --purge --force-depends ufw");
  expect(await host.step("firewall-remove", PAYLOAD)).toMatchObject({ code: 0 });
});
