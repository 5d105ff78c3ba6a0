import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import {
  ALL_OPEN,
  confirm,
  LINE,
  listen,
  ONLY_SSH,
  PAYLOAD,
  RANGES,
  reach,
  SSH_AND_HTTPS,
  undone,
  withFullDisk,
} from "./firewall-support.ts";

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
  await listen(host);
});
afterAll(() => host.close());

const fromStranger = () => reach((command) => host.fromStranger(command));
const fromEdge = () => reach((command) => host.fromEdge(command));

const HURRIED = { ...PAYLOAD, confirmSeconds: 3 };

const files = async () => {
  const names = "/etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/ufw.conf /etc/default/ufw";
  return (await host.inside(`cat ${names}`)).stdout;
};

const state = async () =>
  (await files()) + (await host.inside("iptables -S ufw-user-input; ip6tables -S ufw6-user-input")).stdout;

test("an unconfirmed change is rolled back: ufw is disabled again, as it was", async () => {
  const before = await state();
  expect((await host.step("firewall", HURRIED)).said).toBe(LINE(1));
  await undone(host);
  expect(await state()).toBe(before);
  expect(await fromStranger()).toEqual(ALL_OPEN);
  expect(await host.journal("immich-access-undo")).toContain("change 1 of the firewall was undone");
  // The refresh does not close anything behind the owner's back either, and says how things are.
  await host.inside("systemctl start immich-access-ranges");
  expect(await host.journal("immich-access-ranges")).toContain("was undone, because no new SSH connection confirmed");
  expect(await fromStranger()).toEqual(ALL_OPEN);
});

test("the last confirmation repeats a rolled-back change, and asks for another run", async () => {
  const answer = await confirm(host, true);
  expect(answer).toMatchObject({ code: 1, stdout: "" });
  expect(answer.stderr).toMatch(
    /^the firewall's change had been undone, .* run `pulumi up` again within 10 minutes\n$/,
  );
  expect(await fromStranger()).toEqual(ONLY_SSH);
  const { stdout } = await host.inside(
    "nft list table inet immich_access; cat /var/lib/immich-access/firewall-sites.json",
  );
  expect(stdout).toMatch(/2283[^]*photos\.example\.com/);
});

test("a new connection confirms a change, and it stays", async () => {
  expect(await confirm(host, true)).toMatchObject({ code: 0, stdout: "2\n" });
  expect((await host.inside("systemctl is-active immich-access-undo; ls /var/lib/immich-access")).stdout).toBe(
    "inactive\nfirewall-change.json\nfirewall-original.json\nfirewall-sites.json\nranges.json\nstatus.json\n",
  );
  expect(await confirm(host, false)).toMatchObject({ code: 0, stdout: "2\n" });
});

test("an unconfirmed change of an active firewall is rolled back to the rules before it", async () => {
  const before = await state();
  const ranges = { ...RANGES, ipv4: ["104.16.0.0/13"] };
  expect((await host.step("firewall", { ...HURRIED, ranges })).said).toMatch(/^firewall change 3: .* 1 IPv4 /);
  await undone(host);
  expect(await state()).toBe(before);
  // The step before the last does not fail for it: the one after it confirms.
  expect(await confirm(host, false)).toMatchObject({ code: 0, stdout: "4\n" });
  expect(await state()).not.toBe(before);
  expect(await confirm(host, true)).toMatchObject({ code: 0, stdout: "4\n" });
});

test("a connection from before the change cannot confirm it", async () => {
  const python = "import sys; sys.path.insert(0,'/usr/local/lib/immich-access')";
  const old = host.ssh(
    "touch /run/connected; until [ -e /run/changed ]; do sleep 0.1; done; " +
      `/usr/bin/python3 -I -B -c "${python}; from agent.firewall.confirmation import confirm_firewall_change; confirm_firewall_change(True)"`,
  );
  await host.inside("until [ -e /run/connected ]; do sleep 0.1; done; sleep 1");
  expect((await host.step("firewall", PAYLOAD)).said).toBe(LINE(5));
  await host.inside("touch /run/changed");
  expect((await old).stderr).toContain("this SSH connection is older than the firewall's change");
  expect((await host.inside("systemctl is-active immich-access-undo")).stdout).toBe("active\n");
});

test("a second unconfirmed change is rolled back to what was confirmed last", async () => {
  expect(await confirm(host, true)).toMatchObject({ stdout: "5\n" });
  const before = await state();
  for (const [index, range] of ["104.16.0.0/14", "104.16.0.0/15"].entries()) {
    const ranges = { ...RANGES, ipv4: [range] };
    expect((await host.step("firewall", { ...HURRIED, confirmSeconds: index ? 3 : 600, ranges })).code).toBe(0);
  }
  await undone(host);
  expect(await state()).toBe(before);
});

test("a reboot before the confirmation does not make a change permanent", async () => {
  const before = await state();
  expect((await host.step("firewall", { ...PAYLOAD, ranges: { ...RANGES, ipv6: ["2606:4700::/32"] } })).code).toBe(0);
  expect(await fromEdge()).toEqual({ ...SSH_AND_HTTPS, "443-v6": "silent" });
  await host.inside(`sed -i 's/"seconds": 600/"seconds": 20/' /var/lib/immich-access/firewall-armed.json`);
  await host.reboot();
  await listen(host);
  expect(await fromEdge()).toEqual({ ...SSH_AND_HTTPS, "443-v6": "silent" });
  expect(await fromStranger()).toEqual(ONLY_SSH);
  await undone(host);
  expect(await state()).toBe(before);
  expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
});

/** Ranges in which the edge of the sandbox is not. */
const ELSEWHERE = { ipv4: ["103.21.244.0/22"], ipv6: ["2606:4700::/32"] };

test.each([
  ["rules", "/etc/ufw", "true"],
  ["records", "/var/lib/immich-access", "true"],
  [
    "defaults, with which ufw has to be started anew",
    "/etc/default",
    "sed -i s/^IPV6=.*/IPV6=no/ /etc/default/ufw; ufw disable; ufw --force enable",
  ],
])(
  "a full disk below the %s does not stop the undo: the kernel's rules come first, and the files when there is space",
  async (_what, folder, prepare) => {
    await host.inside(prepare);
    const before = await files();
    const edge = await fromEdge();
    expect((await host.step("firewall", { ...HURRIED, confirmSeconds: 25, ranges: ELSEWHERE })).code).toBe(0);
    expect(await fromEdge()).toEqual(ONLY_SSH);
    await withFullDisk(host, folder, 0, async () => {
      await expect.poll(fromEdge, { timeout: 90_000 }).toMatchObject({ "443-v4": "open" });
      expect((await host.inside("ls /var/lib/immich-access")).stdout).toContain("firewall-armed.json");
      // Tried again, and no connection can confirm what is not in force.
      await expect
        .poll(() => host.journal("immich-access-undo"), { timeout: 90_000 })
        .toMatch(/No space left on device[^]*No space left on device/);
    });
    await undone(host);
    expect(await files()).toBe(before);
    expect(await fromEdge()).toEqual(edge);
    // The next run begins from there.
    expect((await host.step("firewall", PAYLOAD)).code).toBe(0);
    expect(await confirm(host, true)).toMatchObject({ code: 0 });
    expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
  },
);

test("a connection that comes while the undo cannot end makes the change again", async () => {
  expect((await host.step("firewall", { ...HURRIED, confirmSeconds: 25, ranges: ELSEWHERE })).code).toBe(0);
  await withFullDisk(host, "/etc/ufw", 0, async () => {
    await expect.poll(fromEdge, { timeout: 90_000 }).toMatchObject({ "443-v4": "open" });
    expect((await confirm(host, true)).code).toBe(1);
    expect(await fromEdge()).toMatchObject({ "443-v4": "silent" });
  });
  expect(await confirm(host, true)).toMatchObject({ code: 0 });
  expect(await fromEdge()).toEqual(ONLY_SSH);
});
