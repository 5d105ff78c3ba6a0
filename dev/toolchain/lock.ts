// One process at a time, also across checkouts.
import { spawn } from "node:child_process";
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

/** Exit status of flock if another process has the lock and `--nonblock` is given. */
const TAKEN = 1;

/** The process that says in the lock file that it holds the lock; undefined before it has said so. */
function holder(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Takes the kernel's lock on an open file. The kernel releases it when this process has closed the file or has ended,
 * however it ended: a process id in a file would outlive its process, and later belong to another one.
 * @returns whether it is taken, which it is unless `--nonblock` is among the options.
 */
function flock(file: number, ...options: string[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // The lock belongs to the open file, which the program shares with this process, and stays when the program ends.
    const program = spawn("flock", [...options, "3"], { stdio: ["ignore", "ignore", "ignore", file] });
    program.once("error", ({ message }) => reject(new Error(`flock cannot be run (${message}): install util-linux`)));
    program.once("exit", (code, signal) => {
      if (code === 0 || code === TAKEN) resolve(code === 0);
      else reject(new Error(`flock failed with ${signal ?? code ?? "no status"}`));
    });
  });
}

/** Whether the path still leads to an open file. */
function isAt(path: string, file: number): boolean {
  const [there, own] = [statSync(path, { throwIfNoEntry: false }), fstatSync(file)];
  return there?.ino === own.ino && there.dev === own.dev;
}

/** Writes into the lock file who holds the lock, for those who wait. */
function sign(file: number): void {
  try {
    ftruncateSync(file);
    writeSync(file, String(process.pid));
  } catch {
    // The lock works without this, as on a full disk.
  }
}

/** Takes the lock `path` and returns the open file that holds it. `wait` wraps the time in which another holds it. */
async function take(path: string, wait: (taken: Promise<unknown>) => Promise<unknown>): Promise<number> {
  for (;;) {
    const file = openSync(path, "a", 0o600);
    try {
      if (!(await flock(file, "--nonblock"))) await wait(flock(file));
      // Its last holder removes the file. Who waited for that one then has the lock of a file that nobody else opens.
      if (isAt(path, file)) return file;
    } catch (error) {
      closeSync(file);
      throw error;
    }
    closeSync(file);
  }
}

/**
 * Runs `work` while this process holds the lock file `path`, which no other call does meanwhile, in this process neither.
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
  const tell = () => {
    const pid = holder(path);
    if (pid !== undefined) waiting(pid);
  };
  const file = await take(path, (taken) => {
    const timers = [setTimeout(tell, Math.min(interval, 200)), setInterval(tell, interval)];
    return taken.finally(() => timers.forEach((timer) => clearTimeout(timer)));
  });
  try {
    sign(file);
    return await work();
  } finally {
    rmSync(path, { force: true });
    closeSync(file);
  }
}
