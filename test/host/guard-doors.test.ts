import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { fingerprint, PAYLOAD, RANGES } from "./firewall-support.ts";
import { installDocker } from "./support/docker.ts";
import { OPEN, SILENT, Surroundings } from "./support/guard.ts";
import { listed, RangesApi } from "./support/ranges-api.ts";

// ufw is off after each step, so that nothing but the guard can be what closes a port.

let host: TestHost;
let around: Surroundings;
let api: RangesApi;
beforeAll(async () => {
  host = await startTestHost();
  around = new Surroundings(host);
  api = await RangesApi.start(host);
  await api.trust();
  await around.lead();
});
afterAll(async () => {
  await api.close();
  await host.close();
});

const silent = (...ports: number[]) =>
  Object.fromEntries(ports.flatMap((port) => [`${port}-v4`, `${port}-v6`].map((way) => [way, "silent"])));
const open = (...ports: number[]) =>
  Object.fromEntries(ports.flatMap((port) => [`${port}-v4`, `${port}-v6`].map((way) => [way, "open"])));

/** Runs the step for an upstream, which has to succeed, and switches ufw off. */
async function deploy(upstream: string): Promise<void> {
  const { code, said } = await host.step("firewall", { ...PAYLOAD, upstream });
  expect(said).toContain("port 443 is open");
  expect(code).toBe(0);
  await around.on("ufw disable");
}

/** Has a program answer `pong` on a port of every address of the host. */
const serve = (port: number, name = `serve-${port}`) =>
  around.on(
    `mkdir -p /run/pong/api/server; printf pong >/run/pong/index.html; ` +
      `systemd-run -q --unit ${name} /usr/bin/python3 -m http.server -d /run/pong -b :: ${port}; ` +
      `until ss -Hltn sport = ${port} | grep -q .; do sleep 0.1; done`,
  );

describe("Immich as a program of the host", () => {
  test("is closed on every address of the host", async () => {
    await serve(2283);
    expect(await around.stranger()).toEqual(OPEN);
    expect(await around.lan()).toBe("pong");
    await deploy("127.0.0.1:2283");
    expect(await around.stranger()).toEqual(SILENT);
    expect(await around.lan()).toBe("");
    expect(await around.on("curl -s http://198.51.100.10:2283/; curl -s http://[::1]:2283/")).toBe("pongpong");
  });

  test("and so is another port that is redirected to it", async () => {
    for (const tool of ["iptables", "ip6tables"]) {
      await around.on(`${tool} -t nat -A PREROUTING -p tcp --dport 7777 -j REDIRECT --to-ports 2283`);
    }
    expect(await around.stranger([7777])).toEqual(silent(7777));
    await around.on("nft delete table inet immich_access");
    expect(await around.stranger([7777])).toEqual(open(7777));
    await around.on("iptables -t nat -F; ip6tables -t nat -F");
  });

  test("and other ports of the host are not", async () => {
    await serve(8080);
    await deploy("127.0.0.1:2283");
    expect(await around.stranger([22, 8080])).toEqual(open(22, 8080));
  });

  test.each(["198.51.100.10:2283", "[2001:db8:77::10]:2283", "localhost:2283", "0.0.0.0:2283"])(
    "is the host's own by the address %s",
    async (upstream) => {
      await around.on("nft delete table inet immich_access");
      await deploy(upstream);
      expect(await around.stranger()).toEqual(SILENT);
      expect(await around.set("host_ports")).toEqual(["2283"]);
    },
  );

  test("elsewhere leaves the host's ports alone", async () => {
    await deploy("192.0.2.7:2283");
    expect(await around.stranger()).toEqual(OPEN);
    await around.on("systemctl stop serve-2283");
  });
});

describe("Immich in a container", () => {
  test("is closed by the container's own address as upstream", async () => {
    await installDocker(host);
    // The deployment with another upstream knows how Immich's port is called within a container.
    expect(await around.stranger()).toEqual(SILENT);
    await around.on("nft delete table inet immich_access");
    expect(await around.stranger()).toEqual(OPEN);
    await deploy("172.18.0.2:2283");
    expect(await around.stranger()).toEqual(SILENT);
    expect(await around.neighbourly()).toEqual([]);
    expect(await around.lacking()).toEqual([]);
  });

  test("stays closed with a new address, and on a port that is published only now", async () => {
    await around.on(
      "ip -n immich addr add 172.18.0.9/16 dev eth0; iptables -t nat -F DOCKER; " +
        "iptables -t nat -A DOCKER ! -i br-1 -p tcp --dport 9999 -j DNAT --to-destination 172.18.0.9:2283; " +
        "ip6tables -t nat -A DOCKER ! -i br-1 -p tcp --dport 9999 -j DNAT --to-destination [fd00:18::2]:2283; " +
        "iptables -I FORWARD -o br-1 -j ACCEPT; ip6tables -I FORWARD -o br-1 -j ACCEPT",
    );
    expect((await host.fromStranger("curl -s -m 2 http://198.51.100.10:9999/")).stdout).toBe("");
    expect((await host.fromStranger("curl -s -m 2 http://[2001:db8:77::10]:9999/")).stdout).toBe("");
    expect((await around.neighbour("curl -s -m 2 http://172.18.0.9:2283/")).stdout).toBe("");
    await around.on("nft delete table inet immich_access");
    expect((await host.fromStranger("curl -s -m 2 http://198.51.100.10:9999/")).stdout).toBe("pong");
  });

  test("is found by the refresh on a port that only docker-proxy serves", async () => {
    await around.on("systemctl restart docker");
    await deploy("127.0.0.1:2283");
    const proxy = "-proto tcp -host-ip :: -host-port 8888 -container-ip 172.18.0.2 -container-port 2283";
    await around.on(
      "cat >/run/proxy.py <<'END'\nimport http.server, socket, sys\n" +
        "class Server(http.server.ThreadingHTTPServer):\n    address_family = socket.AF_INET6\n" +
        'Server(("::", 8888), http.server.SimpleHTTPRequestHandler).serve_forever()\nEND\n' +
        // Python takes the rest of its command line for the program's own.
        `systemd-run -q --unit proxy-8888 bash -c 'exec -a /usr/bin/docker-proxy python3 /run/proxy.py ${proxy}'; ` +
        "until ss -Hltn sport = 8888 | grep -q .; do sleep 0.1; done",
    );
    expect(await around.stranger([8888])).toEqual(open(8888));
    await around.on("ufw --force enable; ufw allow 8888/tcp");
    expect((await api.refresh(listed(RANGES.ipv4, RANGES.ipv6))).code).toBe(0);
    await around.on("ufw disable");
    expect(await around.stranger([8888])).toEqual(silent(8888));
    await around.on("systemctl stop proxy-8888");
  });

  test("is closed by the port of the host that leads to it, wherever it is", async () => {
    await around.on(
      "iptables -t nat -A PREROUTING -p tcp --dport 7070 -j DNAT --to-destination 172.18.0.2:2283; " +
        "iptables -t nat -A PREROUTING -p tcp --dport 7071 -j DNAT --to-destination 192.0.2.7:2283",
    );
    // With Immich elsewhere, one in a container that everyone reaches would be refused as a way in.
    await around.on("ip -n immich link set eth0 down");
    await deploy("192.0.2.7:2283");
    expect(await around.set("host_ports")).toEqual(["7071"]);
    await around.on("systemctl restart docker");
    await deploy("172.18.0.2:2283");
    expect(await around.set("host_ports")).toContain("7070");
    await around.on("iptables -t nat -F PREROUTING; systemctl restart docker");
  });

  test("leaves another container with the same port within to its visitors", async () => {
    await around.on(
      "ip netns add other; ip link add br-9 type bridge; ip addr add 172.19.0.1/24 dev br-9; ip link set br-9 up; " +
        "ip link add v-9 master br-9 type veth peer name eth0 netns other; ip link set v-9 up; " +
        "ip -n other addr add 172.19.0.2/24 dev eth0; ip -n other link set eth0 up; " +
        "ip -n other route add default via 172.19.0.1; " +
        "systemd-run -q --unit other nsenter --net=/run/netns/other /usr/bin/python3 -m http.server -d /run/pong 2283; " +
        "iptables -t nat -A DOCKER -p tcp --dport 8283 -j DNAT --to-destination 172.19.0.2:2283; " +
        "iptables -I FORWARD -o br-9 -j ACCEPT; iptables -I FORWARD -i br-9 -j ACCEPT",
    );
    await deploy("127.0.0.1:2283");
    expect(await around.set("others")).toEqual(["8283"]);
    expect((await host.fromStranger("curl -s -m 3 http://198.51.100.10:8283/")).stdout).toBe("pong");
    expect(await around.stranger()).toEqual(SILENT);
  });

  test("is not open to a network behind a bridge that is only called like Docker's", async () => {
    // The bridge's other port stands for the cable of the home network.
    await around.on(
      "ip netns add guest; ip link add br-lan type bridge; ip addr add 172.29.0.1/24 dev br-lan; ip link set br-lan up; " +
        "ip link add cable master br-lan type vxlan id 5 dstport 4789; ip link set cable up; " +
        "ip link add v-lan master br-lan type veth peer name eth0 netns guest; ip link set v-lan up; " +
        "ip -n guest addr add 172.29.0.2/24 dev eth0; ip -n guest link set eth0 up",
    );
    const guest = async () => (await host.inside("ip netns exec guest curl -s -m 2 http://172.29.0.1:2283/")).stdout;
    expect(await guest()).toBe("pong");
    await deploy("127.0.0.1:2283");
    expect(await around.set("outside")).toEqual(['"br-lan"']);
    expect(await guest()).toBe("");
  });
});

describe("what cannot be closed is refused before anything changes:", () => {
  test.each([
    [
      "127.0.0.1:443",
      /127\.0\.0\.1:443, the upstream of photos\.example\.com, is port 443 of this host, which is nginx's/,
    ],
    ["198.51.100.10:22", /198\.51\.100\.10:22, the upstream of photos\.example\.com, is the SSH port of this host/],
  ])("an upstream at %s", async (upstream, refusal) => {
    const before = [await fingerprint(host), await around.table()];
    const { code, said } = await host.step("firewall", { ...PAYLOAD, upstream });
    expect(code).toBe(1);
    expect(said).toMatch(refusal);
    expect(said).toMatch(/; nothing has been changed\n$/);
    expect([await fingerprint(host), await around.table()]).toEqual(before);
  });

  test("a kernel without nf_tables", async () => {
    await around.on(
      "printf '#!/bin/sh\\necho \"netlink: Error: cache initialization failed: Operation not supported\" >&2\\nexit 1\\n' " +
        ">/run/nft; chmod 755 /run/nft; mount --bind /run/nft /usr/sbin/nft",
    );
    const before = await fingerprint(host);
    const { code, said } = await host.step("firewall", PAYLOAD);
    expect(code).toBe(1);
    expect(said).toMatch(
      /^immich-access: the kernel does not take a table of nftables \(.*Operation not supported\), which is needed to close Immich's port: .*; nothing has been changed\n$/,
    );
    expect(await fingerprint(host)).toBe(before);
    await around.on("umount /usr/sbin/nft");
  });
});
