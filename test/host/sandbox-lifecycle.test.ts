import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sandboxApi } from "../../dev/sandbox/api/client.ts";
import { hostLayer } from "../../dev/sandbox/host/layer.ts";
import { sandboxStatus, startSandbox, stopSandbox } from "../../dev/sandbox/lifecycle.ts";
import { numbers, ownProcess } from "../../dev/sandbox/numbers.ts";
import type { Sandbox } from "../../dev/sandbox/sandbox.ts";
import { isClaimed, leftByNumber, leftInFolder, processesWith } from "../support/leftovers.ts";
import { asNobody, NOBODYS_PROJECT } from "../support/nobody.ts";

const PROJECT = join(import.meta.dirname, "../..");
const PARTS = { network: true, host: true, api: true, edge: true, immich: true };

const stateDir = mkdtempSync(join(tmpdir(), "immich-access-lifecycle-"));
const folder = join(stateDir, "sandbox");
let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = await startSandbox({ stateDir });
});
afterAll(async () => {
  await stopSandbox({ stateDir });
  rmSync(stateDir, { recursive: true, force: true });
});

/** Process ids of the sandbox's parts on this machine. */
const pids = () => ({
  api: processesWith(`IMMICH_ACCESS_DAEMON=${folder} api `)[0],
  edge: processesWith(`IMMICH_ACCESS_DAEMON=${folder} edge `)[0],
  host: Number(readFileSync(join(folder, "host/pid"), "utf8").split(" ")[0]),
});

const kill = (pid: number | undefined): void => {
  if (pid !== undefined) process.kill(pid, "SIGKILL");
};

/** What is left of the stopped sandbox, which still has its number. */
const leftovers = () => [...leftByNumber(sandbox.number, join(folder, "host")), ...leftInFolder(folder)];

describe("a running sandbox", () => {
  test("a running sandbox has all its parts, and only its host reaches Immich", async () => {
    expect(await sandboxStatus({ stateDir })).toEqual({ number: sandbox.number, ...PARTS });
    const ping = ["curl", "-s", "--max-time", "2", "http://127.0.0.1:2283/api/server/ping"];
    expect((await sandbox.ssh(ping)).stdout).toBe('{"res": "pong"}');
    const listeners = await sandbox.runOnHost(["ss", "-Hltn", "sport", "=", "2283"]);
    expect(listeners.stdout).toMatch(/^LISTEN\s+\d+\s+\d+\s+127\.0\.0\.1:2283\s/);
    expect((await fetch(`${sandbox.apiUrl}/ips`)).status).toBe(200);
  });

  test("a running sandbox listens on nothing of this machine but loopback", () => {
    const number = sandbox.number;
    const { stdout } = spawnSync("ss", ["-Hltnp"], { encoding: "utf8" });
    const ours = stdout.split("\n").filter((line) => line.includes(`pid=${pids().api},`));
    expect(ours.map((line) => line.split(/\s+/)[3]).sort()).toEqual([
      `127.0.0.1:${18_000 + number}`,
      `127.0.0.1:${19_000 + number}`,
    ]);
    expect(stdout).not.toContain(`pid=${pids().edge},`);
  });

  test("a running sandbox keeps its secrets private", () => {
    const readable = execFileSync("find", [folder, "-maxdepth", "2", "-name", "*key", "-perm", "/077"]);
    expect(readable.toString()).toBe("");
    for (const pid of [pids().api, pids().edge]) {
      expect(readFileSync(`/proc/${pid ?? 0}/cmdline`, "utf8")).not.toContain(sandbox.token);
      expect(readFileSync(`/proc/${pid ?? 0}/environ`, "utf8")).not.toContain(sandbox.token);
    }
  });

  test("a second start leaves a running sandbox alone", async () => {
    const before = pids();
    await startSandbox({ stateDir });
    expect(pids()).toEqual(before);
  });
});

describe("the next start", () => {
  test.each(["api", "edge", "host"] as const)(
    "a start brings back the %s that was killed, and only that",
    async (part) => {
      const before = pids();
      kill(before[part]);
      await expect.poll(async () => (await sandboxStatus({ stateDir }))?.[part]).toBe(false);
      await startSandbox({ stateDir });
      expect(await sandboxStatus({ stateDir })).toEqual({ number: sandbox.number, ...PARTS });
      const after = pids();
      expect(after[part]).not.toBe(before[part]);
      expect({ ...after, [part]: 0 }).toEqual({ ...before, [part]: 0 });
    },
  );

  test("a start brings back an Immich that was stopped", async () => {
    await sandbox.runOnHost(["systemctl", "stop", "immich"]);
    await startSandbox({ stateDir });
    expect(await sandboxStatus({ stateDir })).toMatchObject({ immich: true });
  });

  test("a start brings back missing networks", async () => {
    execFileSync("ip", ["netns", "del", `ia${sandbox.number}-edge`]);
    await startSandbox({ stateDir });
    expect(await sandboxStatus({ stateDir })).toEqual({ number: sandbox.number, ...PARTS });
    const visit = ["curl", "-sk", "--max-time", "3", "-o", "/dev/null", "-w", "%{http_code}", "http://104.16.0.10/"];
    expect(Number((await sandbox.runAsStranger(visit)).stdout)).toBeGreaterThan(0);
  });
});

test("two sandboxes run side by side", async () => {
  const other = mkdtempSync(join(tmpdir(), "immich-access-lifecycle-"));
  try {
    const [second, again] = await Promise.all([startSandbox({ stateDir: other }), startSandbox({ stateDir })]);
    expect(again.number).toBe(sandbox.number);
    expect(second.number).not.toBe(sandbox.number);
    await second.ssh(["touch", "/etc/second"]);
    expect((await sandbox.ssh(["ls", "/etc/second"])).code).not.toBe(0);
  } finally {
    await stopSandbox({ stateDir: other });
    rmSync(other, { recursive: true, force: true });
  }
  expect(await sandboxStatus({ stateDir })).toEqual({ number: sandbox.number, ...PARTS });
});

test("a sandbox keeps its state and its number through a stop and a start", async () => {
  await sandboxApi(stateDir).organization({ session_duration: "7h" });
  await sandbox.ssh(["touch", "/etc/kept"]);
  await stopSandbox({ stateDir });
  expect(leftovers()).toEqual([]);
  expect(await sandboxStatus({ stateDir })).toBeUndefined();
  // What others do who start meanwhile.
  const other = numbers.claim(sandbox.number, { hostFolder: `${folder}-other`, owner: ownProcess() });
  expect(other.number).not.toBe(sandbox.number);
  await numbers.giveBack(other, () => Promise.resolve());
  const again = await startSandbox({ stateDir });
  expect(again.number).toBe(sandbox.number);
  expect(again.token).toBe(sandbox.token);
  expect(again.sshTarget.hostKey).toBe(sandbox.sshTarget.hostKey);
  expect((await again.ssh(["ls", "/etc/kept"])).code).toBe(0);
  expect((await sandboxApi(stateDir).state()).organizations[0]?.session_duration).toBe("7h");
});

test("if its folder cannot hold an overlay, a host's disk is in memory and new after a stop, as its key shows", async () => {
  const layers = join(stateDir, "layers");
  const other = join(layers, "root");
  mkdirSync(layers);
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", layers]);
  for (const name of ["lower", "upper", "work", "root"]) mkdirSync(join(layers, name));
  const options = ["lower", "upper", "work"].map((name) => `${name}dir=${join(layers, name)}`).join(",");
  execFileSync("mount", ["-t", "overlay", "overlay", "-o", options, other]);
  try {
    // Nor can such a file system hold the packages that all hosts share: each host unpacks them for itself.
    const layer = await hostLayer(console.error);
    if (!layer.endsWith(".tar")) {
      const kept = join(other, "immich-access/layers", basename(layer));
      mkdirSync(dirname(kept), { recursive: true });
      cpSync(`${layer}.json`, `${kept}.json`);
      const attributes = ["--xattrs", "--xattrs-include=trusted.overlay.*"];
      execFileSync("tar", ["-C", layer, ...attributes, "-cf", `${kept}.tar`, "."]);
      vi.stubEnv("XDG_CACHE_HOME", other);
    }
    const first = await startSandbox({ stateDir: other });
    expect((await first.ssh(["true"])).code).toBe(0);
    await stopSandbox({ stateDir: other });
    expect(readFileSync("/proc/mounts", "utf8")).not.toContain(`${other}/`);
    const second = await startSandbox({ stateDir: other });
    expect(second.sshTarget.hostKey).not.toBe(first.sshTarget.hostKey);
    expect((await second.ssh(["true"])).code).toBe(0);
  } finally {
    vi.unstubAllEnvs();
    await stopSandbox({ stateDir: other });
    execFileSync("umount", [other]);
    execFileSync("umount", [layers]);
  }
});

test("a stop removes everything after all processes were killed, and a second stop changes nothing", async () => {
  await startSandbox({ stateDir });
  for (const pid of Object.values(pids())) kill(pid);
  await stopSandbox({ stateDir });
  expect(leftovers()).toEqual([]);
  await stopSandbox({ stateDir });
});

test("a stop ends a host whose boot was cut short", async () => {
  await startSandbox({ stateDir });
  rmSync(join(folder, "host/pid"));
  await stopSandbox({ stateDir });
  expect(leftovers()).toEqual([]);
});

test("a start removes a sandbox whose process has ended", async () => {
  const abandoned = mkdtempSync(join(tmpdir(), "immich-access-lifecycle-"));
  const script = `import { startSandbox } from ${JSON.stringify(join(PROJECT, "dev/sandbox/lifecycle.ts"))};
    console.log((await startSandbox({ stateDir: ${JSON.stringify(abandoned)} })).number);
    process.kill(process.pid, "SIGKILL");`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(Number(stdout)).toBeGreaterThan(0);
  await startSandbox({ stateDir });
  expect(leftInFolder(abandoned)).toEqual([]);
  expect(isClaimed(join(abandoned, "sandbox/host"))).toBe(false);
  // A number in use is not given out: if it is not free, another sandbox has it.
  const heir = numbers.claim(Number(stdout), { hostFolder: abandoned, owner: ownProcess() });
  expect(numbers.claims().map(({ number }) => number)).toContain(Number(stdout));
  await numbers.giveBack(heir, () => Promise.resolve());
  rmSync(abandoned, { recursive: true, force: true });
});

describe("errors in one line", () => {
  test("one line says that a path is too long for sockets", async () => {
    const long = join(tmpdir(), "x".repeat(100));
    await expect(startSandbox({ stateDir: long })).rejects.toThrow("too long a path for a unix socket");
    expect(existsSync(long)).toBe(false);
  });

  test("one line says that the disk is full, and nothing is left behind", async () => {
    const small = join(stateDir, "small");
    mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", small]);
    try {
      await expect(startSandbox({ stateDir: small })).rejects.toThrow(/^[^\n]*No space left on device$/);
      await stopSandbox({ stateDir: small });
      expect(leftInFolder(`${small}/`)).toEqual([]);
    } finally {
      await stopSandbox({ stateDir: small });
      execFileSync("umount", [small]);
    }
  });

  test("one line says that root is needed", () => {
    const script = `import { startSandbox } from ${JSON.stringify(join(NOBODYS_PROJECT, "dev/sandbox/lifecycle.ts"))};
      await startSandbox({ stateDir: "/nowhere" }).catch((error) => console.log(error.message));`;
    const { stdout } = asNobody(["--input-type=module", "-e", script]);
    expect(stdout).toMatch(/^the sandbox needs root \([^\n]*: run this as root\n$/);
  });
});
