import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { LINE, ONLY_SSH, PAYLOAD, RANGES, reach } from "./firewall-support.ts";
import { installDocker } from "./support/docker.ts";
import { OPEN, SILENT, Surroundings } from "./support/guard.ts";
import { listed, RangesApi } from "./support/ranges-api.ts";

// Immich runs in a container that is published by the stock line of its compose file, `2283:2283`.

let host: TestHost;
let around: Surroundings;
let api: RangesApi;
beforeAll(async () => {
  host = await startTestHost();
  around = new Surroundings(host);
  api = await RangesApi.start(host);
  await api.trust();
  await installDocker(host);
  await around.lead();
});
afterAll(async () => {
  await api.close();
  await host.close();
});

const FILE = "/etc/immich-access/guard.nft";
const DROP_IN = "/etc/systemd/system/nftables.service.d/immich-access.conf";

const DOCTOR = {
  ...PAYLOAD,
  sites: [
    { hostname: PAYLOAD.hostname, serves: "immich", upstream: PAYLOAD.upstream, tokenCheck: false, audience: null },
  ],
};

/** Neither strangers nor neighbours reach Immich, and the host does. */
async function expectClosed(): Promise<void> {
  expect(await around.stranger()).toEqual(SILENT);
  expect(await around.neighbourly()).toEqual([]);
  expect(await around.lacking()).toEqual([]);
}

describe("with Immich's port published to everyone", () => {
  test("all the ways are there at first", async () => {
    expect(await around.stranger()).toEqual(OPEN);
    expect(await around.neighbourly()).toHaveLength(5);
    expect(await around.lan()).toBe("pong");
  });

  test("the first step closes them, without a change of Docker", async () => {
    const rules = () => around.on("iptables-save -t nat; ip6tables-save -t nat");
    const before = await rules();
    expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0, said: LINE(1) });
    expect(await reach((command) => host.fromStranger(command))).toEqual(ONLY_SSH);
    await expectClosed();
    expect(await around.lan()).toBe("");
    const bare = (text: string) => text.replaceAll(/^[#:].*$/gm, "");
    expect(bare(await rules())).toBe(bare(before));
    expect((await host.inside("systemctl is-enabled nftables immich-access-guard")).stdout).toBe("disabled\nenabled\n");
  });

  test("a second step changes nothing", async () => {
    const ids = () => around.on("nft -a list table inet immich_access | grep -o 'handle.*'");
    const before = await ids();
    expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(1));
    expect(await ids()).toBe(before);
  });

  test("other containers reach it, and so do those of a network whose bridge has a name of its own", async () => {
    for (const [name, subnet] of [
      ["br-2", "172.19.0"],
      ["photos", "172.20.0"],
    ]) {
      await around.on(
        `ip netns add in-${name}; ip link add ${name} type bridge; ip addr add ${subnet}.1/24 dev ${name}; ` +
          `ip link add v-${name} master ${name} type veth peer name eth0 netns in-${name}; ip link set v-${name} up; ` +
          `ip link set ${name} up; ip -n in-${name} addr add ${subnet}.2/24 dev eth0; ip -n in-${name} link set eth0 up; ` +
          `ip -n in-${name} route add default via ${subnet}.1; iptables -I FORWARD -i ${name} -j ACCEPT`,
      );
    }
    const from = async (name: string) =>
      (await host.inside(`ip netns exec in-${name} curl -s -m 2 http://198.51.100.10:2283/`)).stdout;
    expect(await from("br-2")).toBe("pong");
    expect(await from("photos")).toBe("");
    await host.step("firewall", PAYLOAD);
    expect(await from("photos")).toBe("pong");
    expect(await around.set("inside")).toEqual(['"photos"']);
  });
});

describe("whatever happens to the tables of others, it stays closed:", () => {
  test.each([
    ["a restart of Docker", "systemctl restart docker"],
    [
      "Docker's chains flushed, and everything let through",
      "iptables -F DOCKER-USER; iptables -I FORWARD -j ACCEPT; ip6tables -I FORWARD -j ACCEPT",
    ],
    ["everything let in", "iptables -I INPUT -j ACCEPT; ip6tables -I INPUT -j ACCEPT"],
    ["ufw reload", "ufw reload"],
    ["ufw disabled and enabled", "ufw disable; ufw --force enable"],
    ["ufw disabled", "ufw disable"],
    ["nftables.service started", "systemctl start nftables"],
    ["nftables.service reloaded", "for i in 1 2 3 4 5 6 7 8 9; do systemctl reload nftables; done"],
    ["nftables.service restarted", "systemctl restart nftables"],
    ["nftables.service stopped", "systemctl stop nftables"],
  ])("%s", async (_what, command) => {
    const before = await around.table();
    expect(before).not.toBe("");
    expect(await around.watched(() => around.on(`${command}; sleep 0.5`))).toBe("");
    expect(await around.table()).toBe(before);
    await host.inside("systemctl restart docker");
    await expectClosed();
  });

  test("commands of the owner's in nftables.service", async () => {
    const override = "/etc/systemd/system/nftables.service.d/override.conf";
    await host.inside(`cat >${override}`, {
      input: "[Service]\nExecStart=\nExecStart=/usr/sbin/nft flush ruleset\n",
    });
    await around.on("systemctl daemon-reload");
    expect((await host.step("firewall", PAYLOAD)).code).toBe(0);
    await around.on("ufw disable");
    const before = await around.table();
    for (const verb of ["start", "reload", "restart", "stop"]) {
      await around.on(`systemctl ${verb} nftables`);
      expect(await around.table(), verb).toBe(before);
    }
    await around.on(`rm ${override}; systemctl daemon-reload`);
    expect((await host.step("firewall", PAYLOAD)).code).toBe(0);
    expect(await around.on("systemctl show nftables -p ExecStartPost")).not.toContain("guard");
  });

  test("a reboot, with nftables.service at boot and without", async () => {
    for (const verb of ["enable", "disable"]) {
      await around.on(`ufw --force enable; systemctl ${verb} nftables`);
      const opened = await around.watched(async () => {
        await host.reboot();
        await around.lead();
        await host.inside("systemctl is-active --wait docker; sleep 0.5", { timeout: 30_000 });
      });
      expect(opened).toBe("");
      expect(await around.on("systemctl is-active docker")).toBe("active\n");
      await expectClosed();
    }
  });

  test("Docker does not start where the table cannot be loaded", async () => {
    await around.on(`systemctl stop docker; cp ${FILE} /run/kept; echo nonsense >${FILE}; nft flush ruleset`);
    expect((await host.inside("systemctl start docker")).code).not.toBe(0);
    expect((await host.inside("systemctl --failed --no-legend")).stdout).toContain("immich-access-guard.service");
    await around.on(`cp /run/kept ${FILE}; systemctl start docker; systemctl reset-failed`);
    await expectClosed();
  });
});

describe("what takes the table away is noticed:", () => {
  test("`nft flush ruleset` by hand is repaired by the refresh, which fails once to say so", async () => {
    await around.on("nft flush ruleset; systemctl restart docker; nft delete table inet immich_access");
    expect(await around.stranger()).toEqual(OPEN);
    expect((await host.step("doctor", DOCTOR)).answer).toMatchObject({
      checks: { "port-guard": { status: "wrong", says: "the table that closes Immich's port is missing" } },
    });
    const { code, said } = await api.refresh(listed(RANGES.ipv4, RANGES.ipv6));
    expect(code).not.toBe(0);
    expect(said).toMatch(/^immich-access: the table that closes Immich's port had been removed, .*; it is back\n$/);
    expect((await host.inside("systemctl --failed --no-legend")).stdout).toContain("immich-access-ranges.service");
    await expectClosed();
    expect((await api.refresh(listed(RANGES.ipv4, RANGES.ipv6))).code).toBe(0);
  });

  test("so is a rule of somebody else's in it, also when Cloudflare does not answer", async () => {
    await around.on("nft insert rule inet immich_access containers_only accept");
    expect(await around.stranger()).toEqual(OPEN);
    const { code, said } = await api.refresh("busy", { status: 503 });
    expect(code).not.toBe(0);
    expect(said).toMatch(/api\.cloudflare\.com.*; the table that closes Immich's port had been changed; /);
    await expectClosed();
  });

  test("so is a file that nft refuses, and a comment in another encoding beside it stops nothing", async () => {
    await around.on(
      "echo 'table {' >>/etc/immich-access/guard.nft; " +
        "printf 'table inet owner { chain c { comment \"M\\374ller\"; } }' | nft -f - || nft add table inet owner",
    );
    const { code, said } = await api.refresh(listed(RANGES.ipv4, RANGES.ipv6));
    expect(code).not.toBe(0);
    expect(said).toContain("the table that closes Immich's port had been changed");
    expect((await api.refresh(listed(RANGES.ipv4, RANGES.ipv6))).code).toBe(0);
    await around.on("nft -c -f /etc/immich-access/guard.nft; nft delete table inet owner");
    await expectClosed();
  });

  test("the doctor tells what it has compared", async () => {
    expect((await host.step("doctor", DOCTOR)).answer).toMatchObject({
      checks: {
        "port-guard": {
          status: "ok",
          says: "the table in force closes port 2283 to all but this host and its containers",
        },
      },
      facts: { guardedPorts: [2283] },
    });
  });

  test("a table that would be missing after a reboot is none", async () => {
    await around.on("systemctl disable --no-reload immich-access-guard");
    expect((await host.step("doctor", DOCTOR)).answer).toMatchObject({
      checks: { "port-guard": { status: "wrong", says: expect.stringContaining("is not enabled") as string } },
    });
    expect((await host.step("firewall", PAYLOAD)).code).toBe(0);
    expect((await host.inside("systemctl is-enabled immich-access-guard")).stdout).toBe("enabled\n");
  });
});

test("removal takes everything of it away, and leaves Docker alone", async () => {
  const started = () => around.on("systemctl show docker -p ActiveEnterTimestampMonotonic -p ActiveState");
  const before = await started();
  expect(await host.step("firewall-remove", PAYLOAD)).toMatchObject({ code: 0 });
  expect(await started()).toBe(before);
  expect(await around.table()).toBe("");
  const left = await around.on(
    `ls -d ${FILE} /etc/immich-access ${DROP_IN} 2>/dev/null; find /etc/systemd -name 'immich-access*'; true`,
  );
  expect(left).toBe("");
  expect((await host.inside("systemctl show nftables -p ExecStartPost")).stdout).not.toContain("immich-access");
  expect((await host.inside("systemctl restart docker")).code).toBe(0);
  // As before the first step: what Docker publishes is the owner's business.
  expect(await around.stranger()).toEqual(OPEN);
});
