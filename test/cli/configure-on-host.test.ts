// `npm run configure` on the host itself: it runs in the host's network, with the host's keys and root's home there.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { mirrorProject } from "../../dev/commands/project.ts";
import { commandAt, ORIGIN } from "../../dev/sandbox/network/network.ts";
import { hostFolder } from "../../dev/sandbox/parts.ts";
import { run } from "../../dev/sandbox/run.ts";
import { PROJECT } from "../e2e/support/deployment.ts";
import { type Loopback, openLoopback } from "../e2e/support/loopback.ts";
import { SITE, startWorld, type World } from "../e2e/support/world.ts";
import { CTRL_C, ENTER, Terminal } from "./support/terminal.ts";

const PROGRAM = join(PROJECT, "cli/configure/main.ts");

let world: World;
let loopback: Loopback;
let folder: string;
let project: string;
let environment: Record<string, string>;

beforeAll(async () => {
  world = await startWorld();
  loopback = await openLoopback(world);
  folder = mkdtempSync(join(tmpdir(), "immich-access-configure-"));
  project = join(folder, "project");
  mirrorProject(PROJECT, project);
  for (const name of ["backend", "ssh"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "ssh/ssh_host_ed25519_key.pub"), `${world.sandbox.sshTarget.hostKey} root@immich-host\n`);
  const [pid = ""] = readFileSync(join(hostFolder(world.stateDir), "pid"), "utf8").split(" ");
  environment = {
    ...world.deployment.stack.workspace.envVars,
    PULUMI_BACKEND_URL: `file://${join(folder, "backend")}`,
    CLOUDFLARE_API_TOKEN: world.sandbox.token,
    HOME: `/proc/${pid}/root/root`,
  };
});
afterAll(async () => {
  await loopback.close();
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The command of configure there; none of its words needs quoting. */
function command(...flags: string[]): string[] {
  const script = join(folder, "configure.sh");
  writeFileSync(script, `mount --bind ${join(folder, "ssh")} /etc/ssh && cd ${project} && exec "$@"\n`);
  const program = [process.execPath, PROGRAM, "--api-url", world.sandbox.apiUrl, ...flags];
  return commandAt(world.sandbox.number, "host", ["unshare", "--mount", "sh", script, ...program]);
}

const FLAGS = ["--hostname", SITE, "--email", "anna@example.com", "--device", "annas-phone", "--close-others"];
const configure = (...flags: string[]) => run(command(...FLAGS, ...flags), { env: environment, timeout: 120_000 });
const keys = async () => (await world.sandbox.runOnHost(["cat", "/root/.ssh/authorized_keys"])).stdout;
const ownLines = async () => (await keys()).split("\n").filter((line) => line.includes("immich-access"));
const settings = () =>
  (parse(readFileSync(join(project, "Pulumi.home.yaml"), "utf8")) as { config: Record<string, unknown> }).config;

test("it proposes 127.0.0.1 and makes a key; whoever leaves it finds the key gone", async () => {
  const before = await keys();
  const asked = new Terminal(command(), project, environment);
  await asked.answer("Host name of the site", ENTER);
  await asked.until("it may be the host itself");
  await asked.answer("reaches the host over SSH", ENTER);
  await asked.answer("Its SSH port", ENTER);
  await asked.answer("User there", ENTER);
  await asked.answer("Private key of that user", ENTER);
  await asked.until('restrict,from="127.0.0.1,::1" ssh-ed25519');
  await asked.answer("Add it?", ENTER);
  await asked.until("SSH and sudo work");
  expect(await ownLines()).toHaveLength(1);
  await asked.answer("Address of Immich", CTRL_C);
  expect(await asked.end()).toBe(130);
  expect(asked.shown).not.toContain("Are they the same?");
  expect(await keys()).toBe(before);
});

test("without a terminal a flag agrees to the key, and the addresses of the site are the host's public ones", async () => {
  expect((await configure()).stderr).toContain("--ssh-key-file is missing");
  const { code, stdout, stderr } = await configure("--ssh-make-key");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).not.toContain("PRIVATE KEY");
  expect(settings()).toMatchObject({
    "immich-access:sshAddress": "127.0.0.1",
    "immich-access:sshHostKey": world.sandbox.sshTarget.hostKey,
    "immich-access:sshPrivateKey": { secure: expect.any(String) as string },
    "immich-access:originAddresses": expect.arrayContaining([ORIGIN.ipv4]) as string[],
  });
  expect(JSON.stringify(settings()["immich-access:originAddresses"])).not.toContain("127.");
});

test("another run makes no other key, and brings the line back if it is gone", async () => {
  const before = await ownLines();
  expect((await configure("--ssh-make-key")).code).toBe(0);
  expect(await ownLines()).toEqual(before);
  await world.sandbox.runOnHost(["sed", "-i", "/immich-access/d", "/root/.ssh/authorized_keys"]);
  expect((await configure("--ssh-make-key")).code).toBe(0);
  expect(await ownLines()).toEqual(before);
});

test("a host without an SSH server, and one that is another machine, get no key", async () => {
  expect((await configure("--ssh-make-key", "--ssh-port", "2222")).stderr).toContain(
    "no SSH server listens on port 2222 of this machine: sudo apt-get install openssh-server",
  );
  const [address, key] = [world.sandbox.sshTarget.host, world.sandbox.sshTarget.hostKey];
  const elsewhere = await configure("--ssh-make-key", "--ssh-address", address, "--ssh-host-key", key);
  expect(elsewhere.stderr).toContain("--ssh-make-key: the host is not this machine");
});
