// The lock between processes, with real ones.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { withLock } from "../lock.ts";

const module = join(import.meta.dirname, "../lock.ts");
const children: ChildProcess[] = [];
let folder: string;
let path: string;

const ended = (child: ChildProcess) => new Promise((resolve) => child.once("close", resolve));

/** A Node process that runs `body`, an async function's, under the lock and says so. */
function underLock(body: string): ChildProcess {
  const program = `
    import { withLock } from ${JSON.stringify(module)};
    import { setTimeout as sleep } from "node:timers/promises";
    import { appendFileSync } from "node:fs";
    await withLock(${JSON.stringify(path)}, async () => { console.log("held"); ${body} }, () => undefined, 20);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "immich-access-lock-"));
  path = join(folder, "below", "lock");
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

it("a lock admits one holder at a time and leaves nothing behind", async () => {
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await sleep(5);
    inside--;
  };
  await Promise.all(Array.from({ length: 5 }, () => withLock(path, work, () => undefined, 10)));
  expect(most).toBe(1);
  expect(readdirSync(join(folder, "below"))).toEqual([]);
});

it("a lock is released when the work fails, and the error passes through", async () => {
  await expect(
    withLock(
      path,
      () => Promise.reject(new Error("disk on fire")),
      () => undefined,
    ),
  ).rejects.toThrow("disk on fire");
  expect(existsSync(path)).toBe(false);
});

it("a waiting process names the lock's holder, and takes over when it is killed", async () => {
  const child = underLock("await sleep(60_000);");
  await new Promise((resolve) => child.stdout!.once("data", resolve));
  const waited: number[] = [];
  const got = withLock(
    path,
    () => Promise.resolve("mine"),
    (pid) => void waited.push(pid),
    30,
  );
  await sleep(200);
  expect(new Set(waited)).toEqual(new Set([child.pid]));
  child.kill("SIGKILL");
  expect(await got).toBe("mine");
});

/** Takes the lock; returns the holder that it had to wait for. */
async function waitedFor(): Promise<number[]> {
  const pids: number[] = [];
  const note = (pid: number) => void pids.push(pid);
  await withLock(path, () => Promise.resolve(), note, 20);
  return pids;
}

it.each(["", "not a number", "0", "-1"])("a lock whose file says %j is free", async (content) => {
  await waitedFor();
  writeFileSync(path, content);
  expect(await waitedFor()).toEqual([]);
});

it("a lock is free if its holder has ended and another process has the holder's number", async () => {
  const child = underLock("await sleep(60_000);");
  await new Promise((resolve) => child.stdout!.once("data", resolve));
  child.kill("SIGKILL");
  await ended(child);
  // This process is alive and did not take the lock.
  writeFileSync(path, String(process.pid));
  expect(await waitedFor()).toEqual([]);
});

it("a lock is released by a process that ends in the middle of its work", async () => {
  const child = underLock("process.exit(3);");
  await ended(child);
  expect(await waitedFor()).toEqual([]);
});

it("a lock is not inherited by child processes", async () => {
  const child = underLock(`(await import("node:child_process")).spawn("sleep", ["60"], { detached: true }).unref();
    process.exit();`);
  await ended(child);
  expect(await waitedFor()).toEqual([]);
});

it("a lock has one holder while its file comes and goes", async () => {
  const log = join(folder, "log");
  const write = (word: string) => `appendFileSync(${JSON.stringify(log)}, "${word} ");`;
  const rounds = `${write("in")} await sleep(1); ${write("out")}`;
  const program = `
    import { withLock } from ${JSON.stringify(module)};
    import { setTimeout as sleep } from "node:timers/promises";
    import { appendFileSync } from "node:fs";
    for (let round = 0; round < 10; round += 1)
      await withLock(${JSON.stringify(path)}, async () => { ${rounds} }, () => undefined);`;
  const four = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" });
    children.push(child);
    return child;
  });
  await Promise.all(four.map(ended));
  expect(readFileSync(log, "utf8")).toBe("in out ".repeat(40));
});

it("only one of several processes takes over an abandoned lock", async () => {
  const gone = spawn("true");
  await ended(gone);
  await withLock(
    path,
    () => Promise.resolve(),
    () => undefined,
  );
  writeFileSync(path, String(gone.pid));
  const log = join(folder, "log");
  const write = (word: string) => `appendFileSync(${JSON.stringify(log)}, "${word} ");`;
  const four = Array.from({ length: 4 }, () => underLock(`${write("in")} await sleep(40); ${write("out")}`));
  await Promise.all(four.map(ended));
  expect(readFileSync(log, "utf8")).toBe("in out ".repeat(4));
});
