// The deployment runs on the host itself, which it reaches over SSH to 127.0.0.1: a stack that moves there and back, and
// one that begins there.

import { afterAll, beforeAll, expect, test } from "vitest";
import { connectTo } from "../../dev/commands/connect-to.ts";
import { runCli } from "../cli/support/cli.ts";
import type { Outcome } from "./support/deployment.ts";
import { type Loopback, openLoopback } from "./support/loopback.ts";
import { changed, RunningSite } from "./support/running-site.ts";
import { SITE } from "./support/world.ts";

let site: RunningSite;
let loopback: Loopback;
let here: Record<string, unknown>;
let outside: Record<string, unknown>;

beforeAll(async () => {
  site = await RunningSite.start();
  loopback = await openLoopback(site.world);
  here = { sshAddress: "127.0.0.1", sshPort: loopback.sshPort };
  outside = { sshAddress: site.world.sandbox.sshTarget.host, sshPort: 22 };
});
afterAll(async () => {
  await loopback.close();
  await site.world.close();
});

const firewall = () =>
  site.onHost("sh", "-c", "cat /etc/ufw/user.rules /etc/ufw/user6.rules; iptables -S; ip6tables -S");
const fromOutside = async () => (await site.world.sandbox.ssh(["true"])).code;

/** The address from which the last SSH connection came, as sshd says. */
const lastClient = async () =>
  (
    await site.onHost(
      "sh",
      "-c",
      "journalctl --sync; journalctl -q -o cat -u ssh | sed -n 's/^Accepted publickey for root from \\([^ ]*\\) .*/\\1/p' | tail -1",
    )
  ).trim();

/** What an operation did, if it has only run commands anew. */
const updates = ({ steps }: Outcome) => [...new Set(steps.map(({ op }) => op))];

test("a stack moves to the host itself: its steps run there again, and nothing of the host or at Cloudflare changes", async () => {
  const before = { rules: await firewall(), cloudflare: await site.world.api.state() };
  const outcome = await site.change(here);
  expect(updates(outcome)).toEqual(["update"]);
  expect(changed(outcome)).toEqual(
    expect.arrayContaining(["firewall-command", "certificates-command", "nginx-command"]),
  );
  expect(await lastClient()).toBe("127.0.0.1");
  expect(await firewall()).toBe(before.rules);
  expect(await site.world.api.state()).toEqual(before.cloudflare);
  expect(await site.pinged()).toBe(200);
  expect(await fromOutside()).toBe(0);
});

test("the doctor judges the host from there, and says what it cannot judge", async () => {
  const args = ["--stack", "test", "--cacert", site.world.sandbox.publicCaPath, "--json"];
  const { code, stdout } = await runCli(site.world.deployment, "doctor", [
    ...args,
    ...connectTo(site.world.sandbox, [SITE]),
  ]);
  const { findings } = JSON.parse(stdout) as { findings: { id: string; status: string; says: string; fix?: string }[] };
  expect(code).toBe(2);
  const direct = findings.find(({ id }) => id === "direct");
  expect(direct).toMatchObject({ status: "unknown", fix: "run the doctor on another machine" });
  expect(findings.filter(({ id, status }) => id !== "direct" && status !== "ok")).toEqual([]);
});

test("a change of the firewall is confirmed over loopback, and SSH from outside stays", async () => {
  await site.change({ keepOpen: ["8123/tcp"] });
  expect(await site.onHost("ls", "/var/lib/immich-access")).not.toContain("armed");
  expect(await firewall()).toContain("--dport 8123");
  expect(await fromOutside()).toBe(0);
});

test("it moves back, and a second run changes nothing", async () => {
  const before = await firewall();
  expect(updates(await site.change(outside))).toEqual(["update"]);
  expect(await lastClient()).not.toBe("127.0.0.1");
  expect(await firewall()).toBe(before);
  expect((await site.change({})).steps).toEqual([]);
});

test("a stack that begins on the host itself leaves SSH open as it was, and is taken down from there", async () => {
  await site.world.deployment.destroy();
  await site.change(here);
  expect(await site.pinged()).toBe(200);
  expect(await lastClient()).toBe("127.0.0.1");
  expect(await fromOutside()).toBe(0);
  expect((await site.change({})).steps).toEqual([]);
  await site.world.deployment.destroy();
  expect((await site.world.sandbox.runOnHost(["ls", "/usr/local/lib/immich-access"])).code).not.toBe(0);
  expect(await fromOutside()).toBe(0);
});
