// A host that the workstation reaches only through another one: the second host is the jump host here.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ORIGIN } from "../../dev/sandbox/network/network.ts";
import { agentFinding, runCli } from "../cli/support/cli.ts";
import { type SecondHost, startSecondHost } from "./support/second-host.ts";
import { startWorld, type World } from "./support/world.ts";

let world: World;
let jump: SecondHost;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "immich-access-jump-"));
  world = await startWorld();
  jump = await startSecondHost(world);
  writeFileSync(join(folder, "key"), world.sandbox.sshTarget.privateKey, { mode: 0o600 });
  // From the workstation no way leads to this address.
  await world.deployment.configure({ sshAddress: ORIGIN.ipv4 });
});
afterAll(async () => {
  await jump.close();
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

const LOGINS = "journalctl -q -o cat -u ssh | grep -c 'Accepted publickey' || true";
const configure = (...flags: string[]) =>
  runCli(world.deployment, "configure", ["--stack", "test", "--api-url", world.sandbox.apiUrl, ...flags]);

test("configure gets to the host through the jump host, both keys compared", async () => {
  const { address, hostKey } = { address: jump.settings.sshAddress, hostKey: jump.settings.sshHostKey };
  const own = ["--ssh-key-file", join(folder, "key"), "--ssh-host-key", world.sandbox.sshTarget.hostKey];
  const via = ["--ssh-jump", `root@${address}:22`, "--ssh-jump-host-key"];
  expect((await configure(...own, ...via, "SHA256:another")).stderr).toContain("not the one that was given");
  expect((await configure(...own, "--ssh-jump", "root@")).stderr).toContain("is not of the form USER@ADDRESS:PORT");
  const { code, stderr } = await configure(...own, ...via, hostKey);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const { config } = await world.deployment.stack.workspace.stackSettings("test");
  expect(config?.["immich-access:sshJump"]).toMatchObject({ address, port: 22, user: "root" });
});

test("up goes through it, in one connection there for each on the host, and the site answers", async () => {
  const before = Number(await jump.inside(LOGINS));
  await world.deployment.up();
  expect(Number(await jump.inside(LOGINS)) - before).toBe(3);
  const { devices } = await world.deployment.outputs<{ devices: Record<string, never> }>();
  expect((await world.visit("/api/server/ping", devices["annas-phone"])).status).toBe(200);
});

test("the doctor goes through it", async () => {
  expect(await agentFinding(world)).toMatchObject({ status: "ok" });
});

test("a jump host with another key is not used", async () => {
  const config = { ...(await world.deployment.stack.workspace.stackSettings("test")).config };
  const settings = config["immich-access:sshJump"] as unknown as Record<string, unknown>;
  await world.deployment.configure({
    sshJump: { ...settings, hostKey: world.sandbox.sshTarget.hostKey },
    hostRevision: 1,
  });
  const before = await jump.inside(LOGINS);
  await expect(world.deployment.up()).rejects.toThrow(/host key mismatch/);
  expect(await jump.inside(LOGINS)).toBe(before);
  await world.deployment.configure({ sshJump: settings, hostRevision: 0 });
});

test("destroy goes through it", async () => {
  await world.deployment.destroy();
  expect((await world.sandbox.runOnHost(["ls", "/usr/local/lib/immich-access"])).code).not.toBe(0);
});
