// The moments of a step on the host: the agent's system calls that change files or start programs. strace follows sshd,
// which starts the agent, and can stop or kill the agent at any one of them, before the call has had its effect.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { installPackages } from "../../../dev/sandbox/prerequisites.ts";

const STRACE = "/usr/bin/strace";
/** Calls by which Python replaces, removes and links files and starts programs. */
const CALLS = ["rename", "unlink", "rmdir", "symlink", "vfork"] as const;
/** Usually a few milliseconds; more on a busy machine. */
const PATIENCE_MS = 20_000;

/** One such call of the agent while it runs one step. */
export interface Moment {
  step: string;
  call: (typeof CALLS)[number];
  /** Which of the calls of this kind that its process has made since it began as a shell, from 1. */
  nth: number;
}

/** Installs strace where it is missing (usually 10 s). */
export async function prepareTracing(): Promise<void> {
  if (!existsSync(STRACE)) await installPackages(["strace"]);
}

const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);

/** The process id, on this machine, of the sshd that takes a host's connections. */
function sshdOf(hostPid: number): number {
  const found = childrenOf(hostPid).find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "sshd");
  if (found === undefined) throw new Error("the sandbox host runs no sshd");
  return found;
}

/**
 * Tells sshd's sessions to look after their children: one whose agent ends while strace lets go of it may never hear of
 * that, and then keeps its client waiting for ever.
 */
function remind(sshd: number): void {
  try {
    for (const session of childrenOf(sshd)) process.kill(session, "SIGCHLD");
  } catch {
    // The session has ended, or the host is on its way down.
  }
}

interface Trace {
  /** Resolves when what strace says matches; rejects when that does not happen in time. */
  said(what: RegExp): Promise<void>;
  /** Lets go of the processes, which go on, and returns everything that was said. */
  end(): Promise<string>;
}

async function trace(pid: number, ...options: string[]): Promise<Trace> {
  const folder = mkdtempSync(join(tmpdir(), "immich-access-trace-"));
  const file = join(folder, "calls");
  const child = spawn(STRACE, ["-f", "-o", file, ...options, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const closed = once(child, "close");
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => (words += chunk.toString()));
  const read = () => (existsSync(file) ? readFileSync(file, "utf8") : "");
  const until = async (done: () => boolean, what: string, milliseconds: number) => {
    for (const end = Date.now() + milliseconds; !done(); await sleep(5)) {
      if (child.exitCode !== null || Date.now() > end) throw new Error(`strace: ${what}: ${words.trim()}`);
    }
  };
  await until(() => words.includes("attached"), "it does not attach", PATIENCE_MS);
  return {
    said: (what) => until(() => what.test(read()), `no ${what.source}`, 3 * PATIENCE_MS),
    end: async () => {
      child.kill("SIGINT");
      await closed;
      remind(pid);
      const all = read();
      rmSync(folder, { recursive: true, force: true });
      return all;
    },
  };
}

/** Writes down the moments of all steps that run until `end`. */
export async function recordMoments(hostPid: number): Promise<{ end(): Promise<Moment[]> }> {
  const running = await trace(sshdOf(hostPid), "-e", `trace=execve,${CALLS.join(",")}`);
  return { end: async () => moments(await running.end()) };
}

/**
 * The agent's calls among all those that were traced. Left out are the first ones of a kind, as many as some other process
 * has made: strace counts for each process, and would strike that one.
 */
function moments(lines: string): Moment[] {
  const steps = new Map<string, string>();
  const counts = new Map<string, number>();
  const others = new Map<string, number>();
  const calls = lines.split("\n").flatMap((line): Moment[] => {
    const [, pid = "", call = "", rest = ""] = /^(\d+) +(\w+)\((.*)/.exec(line) ?? [];
    if (call === "execve") {
      const step = /"\/usr\/bin\/python3", "-I", "-c", "[^"]*"\.*, "([a-z-]+)"\]/.exec(rest)?.[1];
      if (step === undefined) steps.delete(pid);
      else steps.set(pid, step);
      return [];
    }
    const known = CALLS.find((one) => one === call);
    if (known === undefined) return [];
    const key = `${pid} ${call}`;
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    const step = steps.get(pid);
    if (step !== undefined) return [{ step, call: known, nth }];
    others.set(call, Math.max(others.get(call) ?? 0, nth));
    return [];
  });
  return calls.filter(({ call, nth }) => nth > (others.get(call) ?? 0));
}

/** An agent that will not get past a moment. */
export interface Struck {
  /** Resolves when it has come there. Rejects if it does not. */
  reached(): Promise<void>;
  /** Stops watching; an agent that was stopped goes on unless it has ended. */
  end(): Promise<void>;
}

/**
 * Has the agent killed, or stopped for a while, as soon as it comes to a moment. From the call on, the agent's step is
 * the next to run on the host.
 */
export async function strike(hostPid: number, { call, nth }: Moment, signal: "KILL" | "STOP"): Promise<Struck> {
  const running = await trace(
    sshdOf(hostPid),
    ...["-e", `trace=${call}`, "-e", `inject=${call}:signal=${signal}:when=${nth}`],
  );
  const fired = /^(\d+) +(?:\+\+\+ killed by SIGKILL|--- stopped by SIGSTOP)/m;
  return {
    reached: () => running.said(fired),
    end: async () => {
      const stopped = fired.exec(await running.end())?.[1];
      if (signal === "STOP" && stopped !== undefined && existsSync(`/proc/${stopped}`)) {
        process.kill(Number(stopped), "SIGCONT");
      }
    },
  };
}
