import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Host } from "../../dev/sandbox/host/host.ts";
import { removeClaimed } from "../../dev/sandbox/lifecycle.ts";
import { makeNetwork } from "../../dev/sandbox/network/network.ts";
import { numbers, ownProcess } from "../../dev/sandbox/numbers.ts";
import { networkIsThere } from "../../dev/sandbox/parts.ts";
import { startTestHost, type TestHost } from "../support/host.ts";
import { isClaimed, leftByNumber, leftInFolder, processesWith } from "../support/leftovers.ts";

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
});
afterAll(() => host.close());

test("a test host is a whole Debian: systemd is running, the distribution's own programs come first", async () => {
  expect((await host.ssh("systemctl is-system-running")).stdout).toBe("running\n");
  const { stdout } = await host.ssh("command -v python3 nginx ufw; ls /usr/local/bin | wc -l");
  expect(stdout).toBe("/usr/bin/python3\n/usr/sbin/nginx\n/usr/sbin/ufw\n0\n");
});

test("on a test host root and deploy may use sudo, nosudo may not", async () => {
  expect((await host.ssh("id -u")).stdout).toBe("0\n");
  expect((await host.ssh("sudo -n id -u", { user: "deploy" })).stdout).toBe("0\n");
  expect((await host.ssh("sudo -n id -u", { user: "nosudo" })).code).not.toBe(0);
});

test("a step runs over SSH with its payload on standard input", async () => {
  const answer = await host.step("no-such-step", {});
  expect(answer).toEqual({ code: 1, answer: "", said: "immich-access: the host agent has no step 'no-such-step'\n" });
});

test("the edge and strangers reach a test host over both IP versions", async () => {
  const ports =
    'for a in 198.51.100.10 2001:db8:77::10; do timeout 3 bash -c "exec 3<>/dev/tcp/$a/22" && echo "$a"; done';
  for (const place of [host.fromEdge(ports), host.fromStranger(ports)]) {
    expect((await place).stdout).toBe("198.51.100.10\n2001:db8:77::10\n");
  }
});

test("a reboot of a test host keeps files and forgets the kernel's state", async () => {
  await host.inside("echo kept >/etc/marker; echo lost >/run/marker; iptables -A INPUT -p tcp --dport 9 -j DROP");
  await host.reboot();
  expect((await host.ssh("cat /etc/marker /run/marker")).stdout).toBe("kept\n");
  expect((await host.inside("iptables -S INPUT")).stdout).toBe("-P INPUT ACCEPT\n");
});

test("nothing of a closed test host is left", async () => {
  const second = await startTestHost();
  const { number, folder } = second;
  expect(number).not.toBe(host.number);
  const mark = `IMMICH_ACCESS_TEST=${randomUUID()}`;
  await second.inside(`${mark} setsid sleep 1000 >/dev/null 2>&1 &`);
  await expect.poll(() => processesWith(mark)).not.toEqual([]);
  expect(leftByNumber(number, folder)).not.toEqual([]);

  await second.takeDown();
  expect(leftByNumber(number, folder)).toEqual([]);
  expect(leftInFolder(folder)).toEqual([]);
  expect(processesWith(mark)).toEqual([]);
  await second.close();
  expect(isClaimed(folder)).toBe(false);
});

test("closing a test host twice takes nothing from the one that has its number by then", async () => {
  const second = await startTestHost();
  await second.close();
  const heir = numbers.claim(second.number, { hostFolder: `${second.folder}-heir`, owner: ownProcess() });
  try {
    await makeNetwork(heir.number);
    await second.close();
    expect(networkIsThere(heir.number)).toBe(true);
    expect(isClaimed(heir.hostFolder)).toBe(true);
  } finally {
    await numbers.giveBack(heir, removeClaimed);
  }
});

test("a test host that cannot be ended keeps its number", async () => {
  const claim = numbers.claim(101, { hostFolder: `${host.folder}-lasting`, owner: ownProcess() });
  const lasting = new Host({ number: NaN, folder: claim.hostFolder, layer: "" });
  await expect(numbers.giveBack(claim, () => lasting.park())).rejects.toThrow("«NaN» is no number");
  expect(isClaimed(claim.hostFolder)).toBe(true);
  await numbers.giveBack(claim, removeClaimed);
  expect(isClaimed(claim.hostFolder)).toBe(false);
});
