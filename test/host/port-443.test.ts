// Who else has port 443, and what keeps Cloudflare out ahead of ufw, is found before anything changes.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { fingerprint, PAYLOAD } from "./firewall-support.ts";
import { Doors } from "./support/doors.ts";

let host: TestHost;
let doors: Doors;
beforeAll(async () => {
  host = await startTestHost();
  doors = new Doors(host);
  await doors.prepare();
});
afterEach(async () => {
  await host.inside(
    "for tool in iptables ip6tables; do for table in filter raw mangle nat; do $tool -t $table -F; done; done",
  );
  await host.inside("nft delete table inet filter; nft delete table inet owner");
  await doors.clear();
});
afterAll(() => host.close());

const HOLDS = "has port 443, on which nginx must serve the site";

/** What the firewall step says, which must refuse the host and leave its firewall alone. */
async function refused(): Promise<string> {
  const before = await fingerprint(host);
  const { code, said } = await host.step("firewall", PAYLOAD);
  expect({ code, said }).toMatchObject({ code: 1 });
  expect(await fingerprint(host)).toBe(before);
  return said.replace(/^immich-access: /, "");
}

describe("who has port 443", () => {
  test("a program, with its unit and how to stop it", async () => {
    await doors.web("files", 443);
    expect(await refused()).toBe(
      `python3 (web-443.service) ${HOLDS}; have it listen on another port than 443, or stop it ` +
        "(`systemctl disable --now web-443.service`); or leave it and serve the sites elsewhere " +
        "(`pulumi config set originPort 8443`); then run `pulumi up` again; nothing has been changed\n",
    );
  });

  test("a container that only the kernel's rules tell of", async () => {
    await host.inside("iptables -t nat -A PREROUTING -p tcp --dport 443 -j DNAT --to-destination 172.18.0.9:8443");
    expect((await doors.look()).holder).toEqual({
      who: "the container at 172.18.0.9:8443",
      remedy:
        "publish its port 8443 on another port of the host than 443; or leave it and serve the sites elsewhere " +
        "(`pulumi config set originPort 8443`)",
      port: 443,
    });
  });

  test("a container by docker-proxy", async () => {
    await host.inside("cp /usr/bin/python3 /run/docker-proxy");
    await host.inside("systemd-run -q --unit web-443 /run/docker-proxy /run/web.py hang 443");
    await expect
      .poll(async () => (await doors.look()).holder?.who)
      .toBe("docker-proxy (web-443.service), for a container,");
  });

  test("a rule of nftables' own", async () => {
    await host.inside(
      "nft add table inet owner && nft 'add chain inet owner pre { type nat hook prerouting priority -100; }' && " +
        "nft add rule inet owner pre tcp dport 443 dnat ip to 10.88.0.2:8443",
    );
    expect((await doors.look()).holder?.who).toBe("the container at 10.88.0.2:8443");
  });

  test("nobody, if it is nginx, or if only port 80 is taken", async () => {
    await host.inside("systemctl stop nginx");
    await doors.web("files", 80);
    expect((await doors.look()).holder).toBe(null);
    await host.inside("systemctl stop web-80");
    await doors.nginx("server { listen 443; return 204; }");
    expect((await doors.look()).holder).toBe(null);
  });
});

describe("what keeps Cloudflare out ahead of ufw", () => {
  test("a cloud image's last rule of INPUT", async () => {
    await host.inside("iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT");
    await host.inside("iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT");
    await host.inside("iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited");
    expect(await refused()).toBe(
      "the rule `iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited` keeps Cloudflare out of port 443, " +
        "ahead of ufw's rules: run `iptables -D INPUT -j REJECT --reject-with icmp-host-prohibited` on the host and remove " +
        "it from where it is set at boot; then run `pulumi up` again; nothing has been changed\n",
    );
  });

  test.each([
    [
      "over IPv6",
      "ip6tables -A INPUT -p tcp --dport 443 -j DROP",
      "ip6tables -A INPUT -p tcp -m tcp --dport 443 -j DROP",
    ],
    [
      "in a chain of its own",
      "iptables -N OWN 2>/dev/null; iptables -A OWN -s 104.16.0.0/12 -j DROP; iptables -A INPUT -j OWN",
      "iptables -A OWN -s 104.16.0.0/12 -j DROP",
    ],
    [
      "in another table",
      "iptables -t raw -A PREROUTING -i wan0 -p tcp --dport 443 -j DROP",
      "iptables -t raw -A PREROUTING",
    ],
  ])("a rule %s", async (_, command, named) => {
    await host.inside(command);
    const { obstacles } = await doors.look();
    expect(obstacles).toHaveLength(1);
    expect(obstacles[0]).toContain(named);
  });

  test.each([
    [
      "a rule behind one that lets Cloudflare in",
      "iptables -A INPUT -p tcp --dport 443 -j ACCEPT; iptables -A INPUT -j DROP",
    ],
    ["a rule for another port", "iptables -A INPUT -p tcp --dport 25 -j DROP"],
    ["a rule for another interface", "iptables -A INPUT -i wg0 -j DROP"],
    ["a rule for one address, as fail2ban makes them", "iptables -A INPUT -s 104.16.5.5/32 -j REJECT"],
    ["a rule with a match that nobody here knows", "iptables -A INPUT -m string --string x --algo bm -j DROP"],
    ["a rule for packets without a connection", "iptables -A INPUT -m conntrack --ctstate INVALID -j DROP"],
    ["Docker's rule for a container's address", "iptables -t raw -A PREROUTING -d 172.17.0.2/32 -j DROP"],
  ])("not %s", async (_, command) => {
    const { code, stderr } = await host.inside(command);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect((await doors.look()).obstacles).toEqual([]);
  });

  test("a table of nftables as Debian's example has it, until it lets port 443 through as the remedy says", async () => {
    const table = `table inet filter {
      chain input {
        type filter hook input priority 0; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        iifname "lo" accept
        tcp dport { 22, 80 } accept
      }
    }`;
    await host.inside("nft -f -", { input: table });
    const { obstacles } = await doors.look();
    expect(obstacles).toEqual([
      "the policy `drop` of nftables' chain inet filter input keeps Cloudflare out of port 443, ahead of ufw's rules: run " +
        "`nft add rule inet filter input tcp dport 443 accept` on the host, and write that rule into the file that loads " +
        "the chain",
    ]);
    expect((await host.inside("nft add rule inet filter input tcp dport 443 accept")).code).toBe(0);
    expect((await doors.look()).obstacles).toEqual([]);
  });

  test("a rule of nftables, as firewalld's ends", async () => {
    const table = `table inet owner {
      chain zone { tcp dport 22 accept; }
      chain input {
        type filter hook input priority filter + 10; policy accept;
        ct state established,related accept
        iifname "wan0" jump zone
        reject with icmpx admin-prohibited
      }
    }`;
    await host.inside("nft -f -", { input: table });
    expect((await doors.look()).obstacles[0]).toMatch(
      /^the rule \d+ of nftables' chain inet owner input keeps Cloudflare out/,
    );
  });
});
