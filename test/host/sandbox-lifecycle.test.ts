import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sandboxApi } from "../../dev/sandbox/api/client.ts";
import { hostLayer } from "../../dev/sandbox/host/layer.ts";
import { sandboxStatus, startSandbox, stopSandbox } from "../../dev/sandbox/lifecycle.ts";
import type { Sandbox } from "../../dev/sandbox/sandbox.ts";
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
  api: processes(`${folder} api `)[0],
  edge: processes(`${folder} edge `)[0],
  host: Number(readFileSync(join(folder, "host/pid"), "utf8").split(" ")[0]),
});

function processes(mark: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/environ`, "utf8").includes(`IMMICH_ACCESS_DAEMON=${mark}`);
      } catch {
        return false;
      }
    });
}

const kill = (pid: number | undefined): void => {
  if (pid !== undefined) process.kill(pid, "SIGKILL");
};

/** Everything on this machine that bears a sandbox's number or folder. */
function leftovers(number: number, where = folder): string[] {
  const lines = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: "utf8" }).split("\n");
  const controlGroups = lines("findmnt", "-n", "-t", "cgroup2", "-o", "TARGET").filter((line) => line !== "");
  const everything = [
    ...lines("ip", "netns", "list"),
    ...lines("ip", "-br", "link"),
    ...readFileSync("/proc/mounts", "utf8").split("\n"),
    ...lines("ps", "ax", "-ww", "-o", "args"),
    ...controlGroups.flatMap((group) => readdirSync(group)),
    ...readFileSync("/proc/net/unix", "utf8").split("\n"),
  ];
  const claim = `/run/immich-access-sandbox/${number}`;
  const claimed = existsSync(claim) ? [readFileSync(claim, "utf8")] : [];
  // A test beside this one may have the number by now.
  const mark = claimed.some((text) => !text.includes(where)) ? where : `ia${number}-`;
  return [...everything, ...claimed].filter((line) => line.includes(mark) || line.includes(where));
}

describe("a running sandbox", () => {
  test("has all its parts, and Immich answers on the host alone", async () => {
    expect(await sandboxStatus({ stateDir })).toEqual({ number: sandbox.number, ...PARTS });
    const ping = ["curl", "-s", "--max-time", "2", "http://127.0.0.1:2283/api/server/ping"];
    expect((await sandbox.ssh(ping)).stdout).toBe('{"res": "pong"}');
    const listeners = await sandbox.runOnHost(["ss", "-Hltn", "sport", "=", "2283"]);
    expect(listeners.stdout).toMatch(/^LISTEN\s+\d+\s+\d+\s+127\.0\.0\.1:2283\s/);
    expect((await fetch(`${sandbox.apiUrl}/ips`)).status).toBe(200);
  });

  test("listens on nothing of this machine but loopback", () => {
    const number = sandbox.number;
    const { stdout } = spawnSync("ss", ["-Hltnp"], { encoding: "utf8" });
    const ours = stdout.split("\n").filter((line) => line.includes(`pid=${pids().api},`));
    expect(ours.map((line) => line.split(/\s+/)[3]).sort()).toEqual([
      `127.0.0.1:${18_000 + number}`,
      `127.0.0.1:${19_000 + number}`,
    ]);
    expect(stdout).not.toContain(`pid=${pids().edge},`);
  });

  test("keeps its secrets to itself", () => {
    const readable = execFileSync("find", [folder, "-maxdepth", "2", "-name", "*key", "-perm", "/077"]);
    expect(readable.toString()).toBe("");
    for (const pid of [pids().api, pids().edge]) {
      expect(readFileSync(`/proc/${pid ?? 0}/cmdline`, "utf8")).not.toContain(sandbox.token);
      expect(readFileSync(`/proc/${pid ?? 0}/environ`, "utf8")).not.toContain(sandbox.token);
    }
  });

  test("is left alone by a second start", async () => {
    const before = pids();
    const started = performance.now();
    await startSandbox({ stateDir });
    expect(pids()).toEqual(before);
    // An idle machine takes half a second.
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe("the next start brings back", () => {
  test.each(["api", "edge", "host"] as const)("the %s when it was killed, and that alone", async (part) => {
    const before = pids();
    kill(before[part]);
    await expect.poll(async () => (await sandboxStatus({ stateDir }))?.[part]).toBe(false);
    await startSandbox({ stateDir });
    expect(await sandboxStatus({ stateDir })).toEqual({ number: sandbox.number, ...PARTS });
    const after = pids();
    expect(after[part]).not.toBe(before[part]);
    expect({ ...after, [part]: 0 }).toEqual({ ...before, [part]: 0 });
  });

  test("Immich when it was stopped", async () => {
    await sandbox.runOnHost(["systemctl", "stop", "immich"]);
    await startSandbox({ stateDir });
    expect(await sandboxStatus({ stateDir })).toMatchObject({ immich: true });
  });

  test("the networks when one is gone", async () => {
    execFileSync("ip", ["netns", "del", `ia${sandbox.number}-edge`]);
    await startSandbox({ stateDir });
    expect(await sandboxStatus({ stateDir })).toEqual({ number: sandbox.number, ...PARTS });
    const visit = ["curl", "-sk", "--max-time", "3", "-o", "/dev/null", "-w", "%{http_code}", "http://104.16.0.10/"];
    expect(Number((await sandbox.runAsStranger(visit)).stdout)).toBeGreaterThan(0);
  });
});

test("two run side by side, each for itself", async () => {
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

test("what it knew is there after a stop and a start", async () => {
  await sandboxApi(stateDir).organization({ session_duration: "7h" });
  await sandbox.ssh(["touch", "/etc/kept"]);
  await stopSandbox({ stateDir });
  expect(leftovers(sandbox.number)).toEqual([]);
  expect(await sandboxStatus({ stateDir })).toBeUndefined();
  const again = await startSandbox({ stateDir });
  expect(again.number).toBe(sandbox.number);
  expect(again.token).toBe(sandbox.token);
  expect(again.sshTarget.hostKey).toBe(sandbox.sshTarget.hostKey);
  expect((await again.ssh(["ls", "/etc/kept"])).code).toBe(0);
  expect((await sandboxApi(stateDir).state()).organizations[0]?.session_duration).toBe("7h");
});

test("where the folder cannot carry an overlay, the host's disk is in memory and anew after a stop, told by its key", async () => {
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

test("a stop leaves nothing after everything was killed, and one more stop does no harm", async () => {
  await startSandbox({ stateDir });
  for (const pid of Object.values(pids())) kill(pid);
  await stopSandbox({ stateDir });
  expect(leftovers(sandbox.number)).toEqual([]);
  expect(processes(folder)).toEqual([]);
  await stopSandbox({ stateDir });
});

test("a stop ends a host whose boot was cut short", async () => {
  await startSandbox({ stateDir });
  rmSync(join(folder, "host/pid"));
  await stopSandbox({ stateDir });
  expect(leftovers(sandbox.number)).toEqual([]);
});

test("one whose process has ended is removed by the next start", async () => {
  const abandoned = mkdtempSync(join(tmpdir(), "immich-access-lifecycle-"));
  const script = `import { startSandbox } from ${JSON.stringify(join(PROJECT, "dev/sandbox/lifecycle.ts"))};
    console.log((await startSandbox({ stateDir: ${JSON.stringify(abandoned)} })).number);
    process.kill(process.pid, "SIGKILL");`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect(Number(stdout)).toBeGreaterThan(0);
  await startSandbox({ stateDir });
  expect(leftovers(Number(stdout), abandoned)).toEqual([]);
  expect(processes(abandoned)).toEqual([]);
  rmSync(abandoned, { recursive: true, force: true });
});

describe("one line tells", () => {
  test("that a path is too long for sockets", async () => {
    const long = join(tmpdir(), "x".repeat(100));
    await expect(startSandbox({ stateDir: long })).rejects.toThrow("too long a path for a unix socket");
    expect(existsSync(long)).toBe(false);
  });

  test("that the disk is full, and nothing is left behind", async () => {
    const small = join(stateDir, "small");
    mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", small]);
    try {
      await expect(startSandbox({ stateDir: small })).rejects.toThrow(/^[^\n]*No space left on device$/);
      await stopSandbox({ stateDir: small });
      expect(readFileSync("/proc/mounts", "utf8")).not.toContain(`${small}/`);
      expect(processes(small)).toEqual([]);
    } finally {
      await stopSandbox({ stateDir: small });
      execFileSync("umount", [small]);
    }
  });

  test("that root is needed", () => {
    const script = `import { startSandbox } from ${JSON.stringify(join(NOBODYS_PROJECT, "dev/sandbox/lifecycle.ts"))};
      await startSandbox({ stateDir: "/nowhere" }).catch((error) => console.log(error.message));`;
    const { stdout } = asNobody(["--input-type=module", "-e", script]);
    expect(stdout).toMatch(/^the sandbox needs root \([^\n]*: run this as root\n$/);
  });
});
