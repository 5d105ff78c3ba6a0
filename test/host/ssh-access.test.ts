import { afterEach, beforeAll, afterAll, describe, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { BY_OWN_RULES, confirm, LINE, PAYLOAD, RANGES, reach, strangerTries, undone } from "./firewall-support.ts";

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  await host.inside("cp -a /etc/ufw /etc/ufw.first");
});
afterAll(() => host.close());
afterEach(async () => {
  const records = "systemctl stop immich-access-undo; rm -rf /var/lib/immich-access; ufw --force disable";
  const first =
    "rm -rf /etc/ufw && cp -a /etc/ufw.first /etc/ufw; for i in iptables ip6tables; do $i -P INPUT ACCEPT; $i -F; $i -X; done";
  await host.inside(`${records}; ${first}`);
});

/** The workstation's network, with this host alone in it. */
const WORKSTATION = () => `10.77.${host.number}.0/30`;
const V6 = () => `fd77:${host.number}::2`;

/** ufw's rules for a port, by their source, without the words of ours. */
async function sshRules(port = 22): Promise<string[]> {
  const { stdout } = await host.inside("cat /etc/ufw/user.rules /etc/ufw/user6.rules");
  const tuples = stdout.match(/^### tuple ### .*$/gm) ?? [];
  return tuples
    .map((line) => line.split(" ").slice(3))
    .flatMap(([action = "", , ports, , , source = ""]) => (ports === port.toString() ? [`${action} ${source}`] : []));
}

const stranger = async (port = 22) => (await reach((command) => host.fromStranger(command), [port]))[`${port}-v4`];

describe("stays as narrow as its owner has it", () => {
  test.each([
    ["active", "ufw --force enable"],
    ["not active yet", "true"],
  ])("a network as the only SSH rule, of a ufw that is %s", async (_state, command) => {
    await host.inside(`ufw allow from ${WORKSTATION()} to any port 22 proto tcp; ${command}`);
    const before = await sshRules();
    expect(before).toEqual([`allow ${WORKSTATION()}`]);
    expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1, 22, BY_OWN_RULES));
    expect(await confirm(host, true)).toMatchObject({ stdout: "1\n" });
    expect(await sshRules()).toEqual(before);
    expect(await stranger()).toBe("silent");
    // An update and the daily refresh leave it so, and so does the removal.
    const ranges = { ...RANGES, ipv4: ["104.16.0.0/13"] };
    expect((await host.step("firewall", { ...PAYLOAD, ranges })).code).toBe(0);
    expect(await sshRules()).toEqual(before);
    expect((await host.step("firewall-remove", PAYLOAD)).code).toBe(0);
    expect(await sshRules()).toEqual(before);
    expect((await host.ssh("true")).code).toBe(0);
  });

  test("at every moment of a start of ufw's chains", async () => {
    await host.inside(`ufw allow from ${WORKSTATION()} to any port 22 proto tcp; ufw --force enable`);
    await host.inside("ip6tables -D INPUT -j ufw6-before-input");
    const stop = strangerTries(host, { shut: [22], over: ["v4"] });
    expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1, 22, BY_OWN_RULES));
    expect(await stop()).toBe("");
  });

  test("a rule of ufw limit, which is named", async () => {
    await host.inside("ufw limit 22/tcp");
    const { said, answer } = await host.step("firewall", PAYLOAD);
    expect(said).toBe(
      LINE(1, 22, `${BY_OWN_RULES}; your rule \`limit 22/tcp\` lets in 5 connections within 30 s from an address`),
    );
    expect(answer).toMatchObject({ sshNetworks: [], sshLimit: "limit 22/tcp" });
    expect(await sshRules()).toEqual(["limit 0.0.0.0/0", "limit ::/0"]);
    expect(await stranger()).toBe("open");
  });

  test.each([
    ["of an interface", "allow in on adm0 to any port 22 proto tcp"],
    ["for the host's own address", () => `allow to 10.77.${host.number}.2 port 22 proto tcp`],
  ])("a rule %s, and no rule of ours", async (_what, rule) => {
    expect((await host.inside(`ufw ${typeof rule === "string" ? rule : rule()}`)).code).toBe(0);
    const before = await sshRules();
    expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1, 22, BY_OWN_RULES));
    expect(await sshRules()).toEqual(before);
    expect((await host.ssh("true")).code).toBe(0);
  });

  test("a line of before.rules", async () => {
    await host.inside(
      `sed -i '/^COMMIT/i -A ufw-before-input -s ${WORKSTATION()} -p tcp --dport 22 -j ACCEPT' /etc/ufw/before.rules`,
    );
    expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1, 22, BY_OWN_RULES));
    expect(await stranger()).toBe("silent");
    expect((await host.ssh("true")).code).toBe(0);
  });

  test("over IPv6", async () => {
    await host.inside(`ufw allow from fd77:${host.number}::/64 to any port 22 proto tcp; ufw --force enable`);
    expect((await host.step("firewall", PAYLOAD, { address: V6() })).said).toBe(LINE(1, 22, BY_OWN_RULES));
    expect(await sshRules()).toEqual([`allow fd77:${host.number}::/64`]);
    expect((await host.ssh("true", { address: V6() })).code).toBe(0);
  });

  test("a firewall of raw iptables that a boot may take away: our rule is no wider", async () => {
    await host.inside(`iptables -A INPUT -s ${WORKSTATION()} -p tcp --dport 22 -j ACCEPT`);
    await host.inside("iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -P INPUT DROP");
    expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1, 22, `to ${WORKSTATION()}`));
    // As after a boot that has not brought those back
    await host.inside(`iptables -D INPUT -s ${WORKSTATION()} -p tcp --dport 22 -j ACCEPT`);
    await host.inside("iptables -D INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT");
    expect((await host.ssh("true")).code).toBe(0);
    expect(await stranger()).toBe("silent");
  });
});

describe("a rule is added where nothing lets this connection in", () => {
  test("for everyone, and it stays when the owner makes one, for whoever came in by it", async () => {
    await host.inside("ufw allow from 192.168.1.0/24 to any port 22 proto tcp");
    expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1));
    await host.inside(`ufw allow from ${WORKSTATION()} to any port 22 proto tcp`);
    expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1));
    // Deleted by hand, it does not come back.
    await host.inside("ufw delete allow 22/tcp");
    expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1, 22, BY_OWN_RULES));
    expect(await stranger()).toBe("silent");
  });

  test("from where sshFrom says; another value changes it, and none of it is left by the removal", async () => {
    const payload = { ...PAYLOAD, sshFrom: [WORKSTATION(), "192.168.1.0/24", "fd00::/8"] };
    expect((await host.step("firewall", payload)).said).toBe(
      LINE(1, 22, `to ${WORKSTATION()} and 192.168.1.0/24 and fd00::/8`),
    );
    expect(await sshRules()).toEqual([`allow ${WORKSTATION()}`, "allow 192.168.1.0/24", "allow fd00::/8"]);
    expect(await stranger()).toBe("silent");
    expect((await host.ssh("true")).code).toBe(0);
    expect((await host.step("firewall", { ...payload, sshFrom: [WORKSTATION()] })).code).toBe(0);
    expect(await sshRules()).toEqual([`allow ${WORKSTATION()}`]);
    expect((await host.step("firewall", PAYLOAD)).said).toMatch(/SSH on port 22 to everyone\n$/);
  });

  test("an undone change takes its rule with it", async () => {
    const payload = { ...PAYLOAD, sshFrom: [WORKSTATION()], confirmSeconds: 2 };
    expect((await host.step("firewall", payload)).code).toBe(0);
    await undone(host);
    expect(await sshRules()).toEqual([]);
    // Made again, with the same networks.
    expect((await confirm(host, true)).code).toBe(1);
    expect(await sshRules()).toEqual([`allow ${WORKSTATION()}`]);
  });

  test("but never one that would block this connection out", async () => {
    const { code, said } = await host.step("firewall", { ...PAYLOAD, sshFrom: ["192.168.1.0/24"] });
    expect({ code, said }).toEqual({
      code: 1,
      said:
        `immich-access: neither your own rules nor sshFrom allow 10.77.${host.number}.1, from where you connect, to reach port 22, ` +
        "so you would be locked out of SSH; add its network to sshFrom and run `pulumi up` again; nothing has been changed\n",
    });
    expect(await sshRules()).toEqual([]);
  });
});

test("a router's port that leads to sshd does not open the host's own of the same number", async () => {
  // Another program on port 443 would be refused first.
  const site = "server { listen 443; listen [::]:443; root /run; }";
  await host.inside(`echo '${site}' > /etc/nginx/conf.d/own.conf && systemctl reload nginx`);
  await host.inside("until ss -Hltn sport = 443 | grep -q .; do sleep 0.1; done");
  expect((await host.step("firewall", { ...PAYLOAD, sshPort: 443 })).said).toBe(LINE(1));
  expect(await sshRules(443)).not.toContain("allow 0.0.0.0/0");
  expect(await stranger(443)).toBe("silent");
  await host.inside("rm /etc/nginx/conf.d/own.conf && systemctl reload nginx");
});

test("two stacks on a host: what one keeps open or comes in by, the other leaves alone", async () => {
  const home = { ...PAYLOAD, owner: "home/", keepOpen: ["8123/tcp"], sshFrom: [WORKSTATION()] };
  const elsewhere = { hostname: "album.example.com", upstream: "192.168.1.7:2283" };
  const away = { ...PAYLOAD, ...elsewhere, owner: "away/", keepOpen: ["51820/udp"] };
  expect((await host.step("firewall", home)).code).toBe(0);
  expect((await host.step("firewall", away)).code).toBe(0);
  expect(await sshRules()).toEqual([`allow ${WORKSTATION()}`]);
  expect(await sshRules(8123)).toEqual(["allow 0.0.0.0/0", "allow ::/0"]);
  expect(await sshRules(51820)).toEqual(["allow 0.0.0.0/0", "allow ::/0"]);
  expect((await host.step("firewall", { ...home, sshFrom: [] })).code).toBe(0);
  expect((await host.step("firewall", { ...away, sshFrom: [WORKSTATION()] })).code).toBe(0);
  expect(await sshRules()).toEqual(["allow 0.0.0.0/0", "allow ::/0"]);
  // The rule goes with the stack that wanted it.
  expect((await host.step("firewall-remove", home)).code).toBe(0);
  expect(await sshRules(8123)).toEqual([]);
  expect(await sshRules(51820)).toEqual(["allow 0.0.0.0/0", "allow ::/0"]);
});

test("connections of the program do not add up against ufw limit", async () => {
  await host.inside("ufw limit 22/tcp");
  expect((await host.step("firewall", PAYLOAD)).code).toBe(0);
  const counted = async () =>
    (await host.inside(`grep -c 'src=10.77.${host.number}.1 ' /proc/net/xt_recent/DEFAULT`)).stdout;
  expect((await host.ssh("true")).code).toBe(0);
  expect(await counted()).toBe("1\n");
  expect((await host.step("survey", { hostname: "photos.example.com", sshPort: 22, keepOpen: [] })).code).toBe(0);
  expect(await counted()).toBe("0\n");
});
