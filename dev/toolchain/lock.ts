// One process at a time, also across checkouts.
import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // somebody else's process is a process too
  }
}

/** The process that holds the lock, or undefined when the file is gone or its process is. */
function holder(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return Number.isInteger(pid) && pid > 0 && alive(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Whether `file` could be made available as `path`, where nothing is yet. */
function linked(file: string, path: string): boolean {
  try {
    linkSync(file, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Takes away a lock without a process. Two may try at once: the slower one then holds a lock that is in use again. */
function clear(path: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch {
    return; // somebody else was quicker
  }
  if (holder(aside) !== undefined) linked(aside, path);
  rmSync(aside, { force: true });
}

/**
 * Runs `work` while this process holds the lock file `path`. A lock whose process has died is taken over.
 * @param waiting is called about every `interval` milliseconds while another process holds it.
 * @param interval default 5000.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  waiting: (pid: number) => void,
  interval = 5000,
): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  const own = `${path}.${randomUUID()}`;
  try {
    // A lock is there with its whole content or not at all.
    writeFileSync(own, String(process.pid));
    for (let told = -Infinity; !linked(own, path);) {
      const pid = holder(path);
      if (pid === undefined) {
        clear(path, `${own}.stale`);
        continue;
      }
      if (Date.now() - told >= interval) {
        waiting(pid);
        told = Date.now();
      }
      await sleep(Math.min(interval, 200));
    }
  } finally {
    rmSync(own, { force: true });
  }
  const release = () => rmSync(path, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.off("exit", release);
    release();
  }
}
