// One process at a time, also across checkouts.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  for (let told = -Infinity; ;) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const pid = holder(path);
    if (pid === undefined) {
      // Between creation and its first byte a lock looks abandoned: look twice before taking it over.
      await sleep(100);
      if (holder(path) === undefined) rmSync(path, { force: true });
      continue;
    }
    if (Date.now() - told >= interval) {
      waiting(pid);
      told = Date.now();
    }
    await sleep(Math.min(interval, 200));
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
