// What the host serves besides Immich is never shut without its owner's word, and is given back.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../dev/sandbox/run.ts";
import { startTestHost, type TestHost } from "../support/host.ts";
import { PYTHON } from "../support/python.ts";
import {
  confirm,
  fingerprint,
  foreignRules,
  PAYLOAD,
  reach,
  reachFromLan,
  RANGES,
  undone,
  withFullDisk,
} from "./firewall-support.ts";

const PORTS = [22, 80, 443, 445, 2283, 8123];

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  // Another program on port 443 would be refused first.
  const site = "server { listen 443; listen [::]:443; root /run; }";
  await host.inside(`echo '${site}' > /etc/nginx/conf.d/own.conf && systemctl reload nginx`);
  for (const port of [445, 2283, 8123]) {
    await host.inside(`systemd-run -q --unit serve-${port} /usr/bin/python3 -m http.server -d /run -b :: ${port}`);
  }
  await host.inside("systemd-run -q --unit only-here /usr/bin/python3 -m http.server -d /run -b 127.0.0.1 9000");
  const talk = "import socket,time; s=socket.socket(2,2); s.bind(('0.0.0.0',5683)); time.sleep(9999)";
  await host.inside(`systemd-run -q --unit coap /usr/bin/python3 -c "${talk}"`);
  // A socket of the kernel's own, as WireGuard's is.
  await host.inside("ip link add tunnel type vxlan id 7 dstport 51820 local 198.51.100.10 && ip link set tunnel up");
  await host.inside("until [ $(ss -Hltn | grep -cE ':(443|445|2283|8123|9000) ') = 5 ]; do sleep 0.1; done");
  await host.inside("cp -a /etc/ufw /etc/ufw.first; cp /etc/default/ufw /etc/ufw.default");
});
afterAll(() => host.close());
afterEach(async () => {
  const records = "systemctl stop immich-access-undo; rm -rf /var/lib/immich-access; ufw --force disable";
  const files = "rm -rf /etc/ufw; cp -a /etc/ufw.first /etc/ufw; cp /etc/ufw.default /etc/default/ufw";
  const kernel = "for i in iptables ip6tables; do for c in INPUT FORWARD; do $i -P $c ACCEPT; done; $i -F; $i -X; done";
  const guard = "nft delete table inet immich_access 2>/dev/null; rm -rf /etc/immich-access";
  await host.inside(`${records}; ${files}; ${kernel}; ${guard}`);
});

const LAN = () => `10.77.${host.number}.0/30`;
const LAN6 = () => `fd77:${host.number}::/64`;

/** What a stranger and a neighbour get of the host. */
const reached = async () => ({
  stranger: await reach((command) => host.fromStranger(command), PORTS),
  lan: await reachFromLan(host, PORTS),
});

const OPEN = Object.fromEntries(PORTS.flatMap((port) => ["v4", "v6"].map((version) => [`${port}-${version}`, "open"])));

/** The first run on a host whose owner has not said anything yet. */
const UNASKED = { ...PAYLOAD, closeOthers: false };

describe("a first run on a host whose firewall is off", () => {
  test("lists what would be shut, and stops before anything changes", async () => {
    const before = await fingerprint(host);
    const { code, said } = await host.step("firewall", UNASKED);
    expect(code).toBe(1);
    const holder = String.raw`\(python3 \([^)]+\.service\), which everyone can reach\)`;
    for (const port of ["445/tcp", "8123/tcp", "5683/udp"]) expect(said).toMatch(new RegExp(`${port} ${holder}`));
    expect(said).toMatch(/80\/tcp \(nginx \(nginx.service\), which everyone can reach\)/);
    expect(said).toMatch(/51820\/udp \((the kernel|WireGuard \S+), which everyone can reach\)/);
    expect(said).toContain(
      "443/tcp (nginx with /etc/nginx/conf.d/own.conf:1, which everyone can reach; only Cloudflare will)",
    );
    expect(said).not.toMatch(/\b(22|2283|9000)\/tcp/);
    expect(said).toMatch(
      /pulumi config set --path 'keepOpen\[0\]' '\d+\/(tcp|udp)[^']*'\).*closeOthers true`; .*; nothing has been changed\n$/,
    );
    expect(await fingerprint(host)).toBe(before);
    expect(await reached()).toEqual({ stranger: OPEN, lan: OPEN });
  });

  test("keeps open what its owner names, to whom he names, and shuts the rest when he says so", async () => {
    const keepOpen = [`8123/tcp from ${LAN()}`, `8123 from ${LAN6()}`, "51820/udp", "5683/udp"];
    const { said } = await host.step("firewall", { ...UNASKED, keepOpen });
    expect(said).not.toMatch(/8123|51820|5683/);
    expect(said).toMatch(/would block 80\/tcp .*, 445\/tcp /);
    expect(await host.step("firewall", { ...UNASKED, keepOpen, closeOthers: true })).toMatchObject({ code: 0 });
    const { stranger, lan } = await reached();
    const shut = Object.fromEntries(
      [80, 443, 445, 2283].flatMap((port) => [
        [`${port}-v4`, "silent"],
        [`${port}-v6`, "silent"],
      ]),
    );
    expect(lan).toEqual({ ...OPEN, ...shut });
    expect(stranger).toEqual({ ...OPEN, ...shut, "8123-v4": "silent", "8123-v6": "silent" });
    expect((await host.inside("iptables -S ufw-user-input")).stdout).toContain("-p udp -m udp --dport 51820 -j ACCEPT");
    // Once on, it shuts nothing more, so nobody is asked; the refresh and an update keep what is kept.
    const ranges = { ...RANGES, ipv4: ["104.16.0.0/13"] };
    expect(await host.step("firewall", { ...UNASKED, keepOpen, ranges })).toMatchObject({ code: 0 });
    expect((await reachFromLan(host, [8123]))["8123-v4"]).toBe("open");
    // One that is no longer named goes.
    expect(await host.step("firewall", { ...UNASKED, keepOpen: ["51820/udp"] })).toMatchObject({ code: 0 });
    expect((await reachFromLan(host, [8123]))["8123-v4"]).toBe("silent");
  });

  test("counts what has no port, such as VRRP", async () => {
    const listen =
      "import socket\nwith socket.socket(2, 3, 112) as s:\n while s.recv(99): open('/run/heard', 'a').write('.')";
    await host.inside("cat >/run/vrrp.py && systemd-run -q --unit keepalived /usr/bin/python3 /run/vrrp.py", {
      input: listen,
    });
    await host.inside(
      // A kernel that has no such tunnels has none to lose.
      "ip link add gre7 type gre local 198.51.100.10 remote 203.0.113.9 && ip link set gre7 up; " +
        "until ss -Hlnw | grep -q :112; do sleep 0.1; done",
    );
    const say = "import socket,sys; socket.socket(2, 3, 112).sendto(b'here', (sys.argv[1], 0))";
    const heard = async () => {
      await host.inside("rm -f /run/heard");
      await run([PYTHON, "-c", say, host.address]);
      return (await host.inside("for i in $(seq 10); do test -e /run/heard && break; sleep 0.1; done; cat /run/heard"))
        .stdout;
    };
    try {
      expect(await heard()).toBe(".");
      const { code, said } = await host.step("firewall", UNASKED);
      expect(code).toBe(1);
      expect(said).toContain("vrrp (python3 (keepalived.service), which everyone can reach)");
      const keepOpen = [`vrrp from ${LAN()}`, "gre"];
      const { said: rest } = await host.step("firewall", { ...UNASKED, keepOpen });
      expect(rest).not.toMatch(/vrrp|gre7/);
      expect(await host.step("firewall", { ...UNASKED, keepOpen: ["gre"], closeOthers: true })).toMatchObject({
        code: 0,
      });
      expect(await heard()).toBe("");
      expect(await host.step("firewall", { ...UNASKED, keepOpen })).toMatchObject({ code: 0 });
      expect(await heard()).toBe(".");
      expect((await host.inside("iptables -S ufw-user-input")).stdout).toContain("-A ufw-user-input -p gre -j ACCEPT");
    } finally {
      await host.inside("systemctl stop keepalived; ip link del gre7");
    }
  });

  test("asks about nothing that a rule of ufw's names already, or that another firewall shuts", async () => {
    // Rules without a port decide nothing about one.
    await host.inside("ufw deny from 203.0.113.9; ufw allow in on docker0");
    await host.inside(`ufw allow 8123/tcp; ufw deny 5683/udp; ufw allow from ${LAN()} to any port 445 proto tcp`);
    await host.inside("for i in iptables ip6tables; do $i -A INPUT -p tcp --dport 80 -j DROP; done");
    const { said } = await host.step("firewall", UNASKED);
    expect(said).toMatch(/would block 443\/tcp \([^)]*\), 51820\/udp \([^,]*, which everyone can reach\); list in/);
    await host.inside("for i in iptables ip6tables; do $i -D INPUT -p tcp --dport 80 -j DROP; done");
  });

  test("asks about what a firewall of raw iptables lets in by a chain of its own", async () => {
    for (const tool of ["iptables", "ip6tables"])
      await host.inside(
        `${tool} -N own; ${tool} -A own -p tcp --dport 8123 -j ACCEPT; ` +
          `${tool} -A INPUT -p tcp --dport 22 -j ACCEPT; ${tool} -A INPUT -j own; ${tool} -P INPUT DROP`,
      );
    const { said } = await host.step("firewall", UNASKED);
    expect(said).toMatch(/would block 8123\/tcp \([^,]*, which everyone can reach\); list in/);
  });

  test("says who reaches a service today", async () => {
    await host.inside(
      `iptables -A INPUT -s ${LAN()} -p tcp --dport 445 -j ACCEPT; iptables -A INPUT -p tcp --dport 445 -j DROP`,
    );
    await host.inside("ip6tables -A INPUT -p tcp --dport 445 -j DROP");
    const { said } = await host.step("firewall", {
      ...UNASKED,
      keepOpen: ["80/tcp", "8123/tcp", "5683/udp", "51820/udp"],
    });
    expect(said).toContain(`, 445/tcp (python3 (serve-445.service), which ${LAN()} can reach); list in`);
  });
});

test("a keepOpen that would open a port which this program shuts is refused", async () => {
  for (const [opening, port] of [
    ["443/tcp", 443],
    ["2000:3000/tcp", 2283],
  ] as const) {
    const { said } = await host.step("firewall", { ...PAYLOAD, keepOpen: [opening] });
    expect(said).toMatch(new RegExp(`opens port ${port} to everyone; .*nothing has been changed`));
  }
});

describe("is given back", () => {
  const state = async () => {
    const policies = "(iptables -S; ip6tables -S) | grep '^-P'; systemctl is-enabled ufw; ufw status | head -1";
    const files = "sha256sum /etc/default/ufw; grep ^ENABLED /etc/ufw/ufw.conf";
    return {
      ...(await reached()),
      said: (await host.inside(`${policies}; ${files}`)).stdout,
      rules: await foreignRules(host),
    };
  };

  test.each([
    ["no firewall", "true"],
    [
      "ufw off with rules for later, a disabled unit, and IPv6 left alone",
      "ufw allow 8123/tcp; systemctl disable ufw; sed -i s/^IPV6=.*/IPV6=no/ /etc/default/ufw",
    ],
    [
      "a firewall of raw iptables",
      "iptables -A INPUT -p tcp -m multiport --dports 22,8123 -j ACCEPT; iptables -P INPUT DROP; iptables -P FORWARD DROP",
    ],
    ["ufw on that lets everything in by default", "ufw allow 22/tcp; ufw default allow incoming; ufw --force enable"],
  ])("by the removal: %s", async (_what, prepare) => {
    await host.inside(prepare);
    const before = await state();
    expect(await host.step("firewall", { ...PAYLOAD, keepOpen: ["8123/tcp"] })).toMatchObject({ code: 0 });
    expect(await confirm(host, true)).toMatchObject({ code: 0 });
    expect((await reached()).stranger).toMatchObject({ "445-v4": "silent", "445-v6": "silent", "8123-v4": "open" });
    expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0 });
    const removed = await host.step("firewall-remove", PAYLOAD);
    expect(removed).toMatchObject({ code: 0 });
    expect(await state()).toEqual(before);
    const stays = prepare.endsWith("ufw --force enable") ? ["ufw stays on, as it was before"] : [];
    expect(removed.answer).toMatchObject({ stays });
    await host.inside("systemctl enable ufw");
  });

  test("by the undo, and by a step that fails", async () => {
    await host.inside("iptables -P FORWARD DROP");
    const before = await state();
    await withFullDisk(host, "/etc/nginx", 0, async () => {
      expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 1 });
    });
    expect(await state()).toEqual(before);
    expect(await host.step("firewall", { ...PAYLOAD, confirmSeconds: 3 })).toMatchObject({ code: 0 });
    await undone(host);
    expect(await state()).toEqual(before);
    await withFullDisk(host, "/etc/nginx", 0, async () => {
      const ranges = { ...RANGES, ipv4: ["104.16.0.0/13"] };
      expect(await host.step("firewall", { ...PAYLOAD, ranges })).toMatchObject({ code: 1 });
    });
    expect(await state()).toEqual(before);
    expect(await host.step("firewall-remove", PAYLOAD)).toMatchObject({ code: 0 });
    expect(await state()).toEqual(before);
  });

  test("not where its owner has used ufw since: that stays on, with SSH, and the step says why", async () => {
    expect(await host.step("firewall", { ...PAYLOAD, keepOpen: ["445/tcp"] })).toMatchObject({ code: 0 });
    await host.inside("ufw allow 8123/tcp");
    const { code, said, answer } = await host.step("firewall-remove", PAYLOAD);
    expect({ code, said }).toEqual({
      code: 0,
      said:
        "the firewall's rules of this program are gone; ufw stays on, because its rules or files have been changed by " +
        "others since; so does its rule for SSH, by which you may come in\n",
    });
    expect((answer as { stays: string[] }).stays).toHaveLength(2);
    expect((await reached()).stranger).toMatchObject({
      "22-v4": "open",
      "8123-v4": "open",
      "445-v4": "silent",
      "443-v4": "silent",
    });
  });
});

test("a host that routes for others goes on doing so", async () => {
  await host.inside("sysctl -qw net.ipv4.ip_forward=1");
  expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0 });
  expect((await host.inside("iptables -S FORWARD | head -1")).stdout).toBe("-P FORWARD ACCEPT\n");
  expect(await host.step("firewall-remove", PAYLOAD)).toMatchObject({ code: 0 });
  expect((await host.inside("cmp /etc/ufw.default /etc/default/ufw; sysctl -qw net.ipv4.ip_forward=0")).code).toBe(0);
});
