// The ways to log in to the host besides a bare key: a key with a passphrase, and the workstation's SSH agent.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../dev/sandbox/run.ts";
import { agentFinding, runCli } from "../cli/support/cli.ts";
import { startWorld, type World } from "./support/world.ts";

const PASSPHRASE = "correct horse battery staple";
const NO_CHANGE = "nothing has been changed";

let world: World;
let folder: string;
let agent: ChildProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "immich-access-login-"));
  // The engine starts its plugins itself, so that they see its environment.
  world = await startWorld(false);
  writeFileSync(file("key"), world.sandbox.sshTarget.privateKey, { mode: 0o600 });
  await done("cp", "--preserve=mode", file("key"), file("protected"));
  await done("ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", file("protected"));
  agent = spawn("ssh-agent", ["-D", "-a", file("agent")], { stdio: "ignore" });
  while (!existsSync(file("agent"))) await sleep(20);
  await world.deployment.up();
});
afterAll(async () => {
  await world.close();
  agent.kill();
  await once(agent, "exit");
  rmSync(folder, { recursive: true, force: true });
});

const file = (name: string) => join(folder, name);

async function done(...command: string[]): Promise<void> {
  const { code, stderr } = await run(command, { env: { ...process.env, SSH_AUTH_SOCK: file("agent") } });
  if (code !== 0) throw new Error(stderr);
}

/** Has everything that runs on the workstation see this agent, or none. */
function use(socket: string): void {
  Object.assign(world.deployment.stack.workspace.envVars, { SSH_AUTH_SOCK: socket });
}

const privateKey = (name: string) => readFileSync(file(name), "utf8");
const failure = () => world.deployment.up().then(String, String);
const removeKey = async () => {
  for (const key of ["sshPrivateKey", "sshPrivateKeyPassphrase"]) await world.deployment.removeSetting(key);
};

describe("a key with a passphrase", () => {
  test("is refused without its passphrase, and with another one, before anything changes", async () => {
    await world.deployment.configure({ hostRevision: 1 }, { sshPrivateKey: privateKey("protected") });
    expect(await failure()).toMatch(
      /sshPrivateKeyPassphrase is missing[^]*pulumi config set --secret sshPrivateKeyPass/,
    );
    await world.deployment.configure({}, { sshPrivateKeyPassphrase: "another" });
    const said = await failure();
    expect(said).toContain("sshPrivateKeyPassphrase does not open sshPrivateKey");
    expect(said).toContain(NO_CHANGE);
  });

  test("opens the host, and the doctor's way there; nobody sees the passphrase", async () => {
    await world.deployment.configure({}, { sshPrivateKeyPassphrase: PASSPHRASE });
    const { output } = await world.deployment.up();
    expect(output).toContain("nginx-command");
    expect(output + (await world.deployment.exportState())).not.toContain(PASSPHRASE);
    expect(await agentFinding(world)).toMatchObject({ status: "ok" });
  });

  test("is refused with a passphrase that it does not have", async () => {
    await world.deployment.configure({}, { sshPrivateKey: privateKey("key") });
    expect(await failure()).toMatch(/has none: pulumi config rm sshPrivateKeyPassphrase/);
  });
});

test("a key that is not encrypted in the stack's file is refused", async () => {
  await world.deployment.removeSetting("sshPrivateKeyPassphrase");
  await world.deployment.configure({ sshPrivateKey: privateKey("key") });
  const said = await failure();
  expect(said).toContain("sshPrivateKey is not encrypted in the stack's file");
  expect(said).not.toContain("BEGIN");
  await world.deployment.configure({}, { sshPrivateKey: privateKey("key"), sshPrivateKeyPassphrase: PASSPHRASE });
});

describe("the workstation's SSH agent", () => {
  test("is asked for before anything changes: beside a key, without an agent, without an answer, without a key", async () => {
    await world.deployment.configure({ sshAgent: true, hostRevision: 2 });
    expect(await failure()).toMatch(/pulumi config rm sshPrivateKey && pulumi config rm sshPrivateKeyPassphrase/);
    await removeKey();
    for (const [socket, problem] of [
      ["", "SSH_AUTH_SOCK is not set"],
      [file("nobody"), "does not answer"],
      [file("agent"), "the SSH agent has no key that this program can use: ssh-add"],
    ] as const) {
      use(socket);
      const said = await failure();
      expect(said).toContain(problem);
      expect(said).toContain(NO_CHANGE);
    }
  });

  test("opens the host, and the state has no key for it", async () => {
    await done("ssh-add", "-q", file("key"));
    const { output } = await world.deployment.up();
    expect(output).toContain("nginx-command");
    const [, body = ""] = privateKey("key").split("\n");
    const { stdout } = await run(
      ["env", "-C", world.deployment.stack.workspace.workDir, "pulumi", "stack", "export", "--show-secrets"],
      { env: world.deployment.stack.workspace.envVars },
    );
    expect(stdout).toContain("firewall-command");
    expect(stdout).not.toContain(body);
    expect(await agentFinding(world)).toMatchObject({ status: "ok" });
  });

  test("configure goes from the agent to a key and back, and leaves nothing of the other", async () => {
    const { apiUrl, sshTarget } = world.sandbox;
    const configure = async (...flags: string[]) => {
      const { code, stderr } = await runCli(world.deployment, "configure", [
        ...["--stack", "test", "--api-url", apiUrl, "--ssh-host-key", sshTarget.hostKey, ...flags],
      ]);
      if (code !== 0) throw new Error(stderr);
      const { config } = await world.deployment.stack.workspace.stackSettings("test");
      return Object.entries(config ?? {}).flatMap(([key, value]) =>
        /:ssh(Agent|PrivateKey)/.test(key) ? [`${key.split(":")[1] ?? ""} ${typeof value}`] : [],
      );
    };
    expect(await configure("--ssh-key-file", file("key"))).toEqual(["sshAgent string", "sshPrivateKey object"]);
    await expect(configure("--ssh-key-file", file("protected"))).rejects.toThrow("protected by a passphrase");
    expect(await configure("--ssh-agent")).toEqual(["sshAgent string"]);
    use("");
    await expect(configure("--ssh-agent")).rejects.toThrow("SSH_AUTH_SOCK is not set");
    use(file("agent"));
  });

  test("opens the host for a destroy", async () => {
    await world.deployment.destroy();
    expect((await world.sandbox.runOnHost(["ls", "/usr/local/lib/immich-access"])).code).not.toBe(0);
  });

  test("that does not answer causes a warning where a key is used", async () => {
    await world.deployment.removeSetting("sshAgent");
    await world.deployment.configure({}, { sshPrivateKey: privateKey("key") });
    use(file("nobody"));
    const { output } = await world.deployment.preview();
    expect(output).toContain("unset SSH_AUTH_SOCK");
  });
});
