import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { agentCommand } from "../../components/origin-host/agent.ts";
import { startTestHost, stepInput, type TestHost } from "../support/host.ts";
import type { Told } from "../support/payloads.ts";
import { ALL_OPEN, fingerprint, listen, PAYLOAD, reach, withFullDisk } from "./firewall-support.ts";

let host: TestHost;
let untouched: string;
beforeAll(async () => {
  host = await startTestHost();
  await listen(host);
  untouched = await fingerprint(host);
});
afterAll(() => host.close());

/** Runs the step, which must fail with one line and change nothing, and gives the line. */
async function refusal(payload: Told = PAYLOAD): Promise<string> {
  const before = await fingerprint(host);
  const answer = await host.step("firewall", payload);
  expect(answer).toMatchObject({ code: 1, answer: "" });
  expect(answer.said).toMatch(/^immich-access: [^\n]+\n$/);
  expect(await fingerprint(host)).toBe(before);
  return answer.said;
}

describe("refusals before anything changes", () => {
  // ufw rewrites its files when a rule is made and deleted, so the first state is put back as it was.
  beforeAll(() => host.inside("cp -a /etc/ufw /etc/ufw.first"));
  afterEach(async () => {
    await host.inside("rm -rf /etc/ufw && cp -a /etc/ufw.first /etc/ufw");
    expect(await fingerprint(host)).toBe(untouched);
  });

  test("the firewall step refuses ranges that are invalid, or would open the host", async () => {
    const bad = { "0.0.0.0/0": "wider than /8", "10.0.0.0/8": "not on the internet", "<html>": "no address range" };
    for (const [range, reason] of Object.entries(bad)) {
      expect(await refusal({ ...PAYLOAD, ranges: { ...PAYLOAD.ranges, ipv4: [range] } })).toContain(reason);
    }
    expect(await refusal({ ...PAYLOAD, ranges: { ...PAYLOAD.ranges, ipv6: [] } })).toContain(
      "payload.ranges.ipv6 is a list of fewer than 1",
    );
  });

  test("the firewall step refuses an SSH port without a listener, if the connection's own is not known", async () => {
    const input = stepInput("firewall", { ...PAYLOAD, sshPort: 2222 });
    const answer = await host.inside(agentCommand("firewall"), { input });
    expect(answer.stderr).toMatch(/^immich-access: nothing listens on port 2222 of this host, .* lock you out/);
  });

  test.each([
    ["allow 443", "allow 443"],
    ["allow 443/tcp comment 'web'", "allow 443/tcp"],
    ["allow 'Nginx Full'", "allow 'Nginx Full'"],
    ["allow 400:500/tcp", "allow 400:500/tcp"],
    ["allow in on wan0 to any port 443 proto tcp", "allow in on wan0 to any port 443 proto tcp"],
    ["limit 2283/tcp", "limit 2283/tcp"],
    ["allow to 198.51.100.10", "allow to 198.51.100.10"],
    ["allow from any to any", "allow to any"],
  ])("the firewall step refuses a rule of the user's that opens a closed port: ufw %s", async (rule, name) => {
    await host.inside(`ufw ${rule}`);
    expect(await refusal()).toContain(`the rule \`${name}\` opens port `);
    // The command in the message is the remedy.
    expect(await host.inside(`ufw delete ${name}`)).toMatchObject({ code: 0 });
    expect((await host.inside("cat /etc/ufw/user*.rules")).stdout).not.toContain("tuple");
  });

  test("the firewall step refuses a rule that would block SSH", async () => {
    await host.inside("ufw deny 22/tcp");
    expect(await refusal()).toContain("the rule `deny 22/tcp` blocks SSH on port 22; run `ufw delete deny 22/tcp`");
  });

  test("the firewall step refuses a rule that would block the owner only", async () => {
    await host.inside("ufw deny from 10.77.0.0/16");
    expect(await refusal()).toMatch(
      /the rule `deny from 10\.77\.0\.0\/16` blocks 10\.77\.\d+\.1, where you connect from;/,
    );
  });

  test("the firewall step refuses a rule that would block Cloudflare", async () => {
    await host.inside("ufw deny 443/tcp");
    expect(await refusal()).toContain("the rule `deny 443/tcp` would keep Cloudflare out of port 443; run `ufw delete");
  });

  test.each([
    ["before.rules", "ufw-before-input -p tcp --dport 443 -j ACCEPT", "opens port 443 to everyone"],
    [
      "before6.rules",
      "ufw6-before-input -p tcp -m multiport --dports 80,https -j ACCEPT",
      "opens port 443 to everyone",
    ],
    ["after6.rules", "ufw6-after-input -i wan0 -j ACCEPT", "opens port 443 to everyone"],
    ["before.rules", "ufw-before-input -p tcp --dport 22 -j DROP", "blocks SSH on port 22"],
  ])("the firewall step refuses a line in /etc/ufw/%s: -A %s", async (file, rule, trouble) => {
    await host.inside(`sed -i '/^COMMIT/i -A ${rule}' /etc/ufw/${file}`);
    const line = (await host.inside(`grep -n '^-A ${rule}' /etc/ufw/${file}`)).stdout.split(":")[0] ?? "";
    expect(await refusal()).toBe(
      `immich-access: line ${line} of /etc/ufw/${file}, \`-A ${rule}\`, ${trouble}; ` +
        "delete it and run `pulumi up` again; nothing has been changed\n",
    );
  });

  test("the firewall step refuses a kernel rule before ufw's that opens the port", async () => {
    await host.inside("ip6tables -A INPUT -p tcp --dport 443 -j ACCEPT");
    expect(await refusal()).toContain("run `ip6tables -D INPUT -p tcp -m tcp --dport 443 -j ACCEPT` on the host");
    await host.inside("ip6tables -F INPUT");
  });

  test("the firewall step refuses a ufw with other internals", async () => {
    const file = "/usr/lib/python3/dist-packages/ufw/backend_iptables.py";
    await host.inside(`sed -i 's/_write_rules/_renamed/' ${file}`);
    expect(await refusal()).toMatch(/this host has ufw 0\.36\.\S+, which this program does not know/);
    await host.inside(`sed -i 's/_renamed/_write_rules/' ${file}`);
  });

  test("the firewall step refuses a ufw without its files", async () => {
    await host.inside("rm /etc/ufw/user6.rules");
    expect((await host.step("firewall", PAYLOAD)).said).toContain("/etc/ufw/user6.rules is missing");
  });
});

describe("a full disk", () => {
  // More than one page of rules, so that the disk is full when some files have been replaced already.
  const ipv4 = Array.from({ length: 40 }, (_, index) => `104.16.${index}.0/24`);
  const long = { ...PAYLOAD, ranges: { ...PAYLOAD.ranges, ipv4 } };

  test.each([
    ["/etc/immich-access", 0],
    ["/usr/local/lib/immich-access", 8],
    ["/etc/ufw", 4],
    ["/etc/ufw", 0],
    ["/var/lib/immich-access", 4],
    ["/var/lib/immich-access", 0],
  ])("the firewall step leaves the host as it was when the disk is full: %s, %d KiB left", async (folder, free) => {
    await withFullDisk(host, folder, free, async () => {
      expect(await refusal(long)).toContain("No space left on device; free some space and run `pulumi up` again");
    });
    expect(await reach((command) => host.fromStranger(command))).toEqual(ALL_OPEN);
  });
});

test("a kernel without IPv6 gets IPv4 rules, and the message says so", async () => {
  await host.inside("ufw --force disable; mount -t tmpfs none /proc/sys/net");
  expect((await host.step("firewall", PAYLOAD)).said).toMatch(
    /open to 3 IPv4 ranges of Cloudflare, .*; the kernel has no IPv6\n$/,
  );
  expect((await host.inside("umount /proc/sys/net; grep -c tuple.*443 /etc/ufw/user.rules")).stdout).toBe("3\n");
});
