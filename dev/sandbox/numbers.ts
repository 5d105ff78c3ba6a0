// Sandboxes of one machine are told apart by a number, which is in the names and ports of all that they make. A claim
// on a number is a file in /run, so a boot of the machine ends it together with the sandbox. Whatever
// has a number in its name belongs to the number's claim: a process removes or judges only what it has claimed.

import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "../toolchain/lock.ts";
import { SandboxError } from "./error.ts";
import { startTime } from "./processes.ts";

/** Folder that the sandboxes of a machine share. */
export const SHARED_FOLDER = "/run/immich-access-sandbox";
const HIGHEST = 250;

/** Ports on 127.0.0.1: the API with its status page, and a browser's way to the edge. */
export const apiPort = (number: number): number => 18_000 + number;
export const browserPort = (number: number): number => 19_000 + number;

/** Owner of a sandbox. */
export interface Claim {
  number: number;
  /** Folder of its host. */
  hostFolder: string;
  /** The state folder of a whole sandbox; a test's host alone has none. */
  stateDir?: string;
  /** The process it belongs to, with its start time. A checkout's own sandbox belongs to none. */
  owner?: { pid: number; started: string } | undefined;
}

/** The claim of the process that calls this. */
export const ownProcess = (): { pid: number; started: string } => ({
  pid: process.pid,
  started: startTime(process.pid) ?? "",
});

/** Whether a claim is abandoned: its process has ended, or its state folder was removed. */
function isAbandoned({ owner, stateDir }: Claim): boolean {
  if (owner !== undefined && startTime(owner.pid) !== owner.started) return true;
  return stateDir !== undefined && !existsSync(stateDir);
}

/** Names in a folder; none if it is not there. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Mount points of the kernel's control groups. */
const controlGroups = (): string[] =>
  readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .flatMap(([, target = "", type]) => (type === "cgroup2" ? [target] : []));

/** How /proc/net/tcp tells that a socket listens. */
const LISTENS = "0A";

/** Ports on which something on this machine listens, whatever the address. */
function listeningPorts(): number[] {
  // A machine without IPv6 lacks the second file.
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].filter((path) => existsSync(path));
  return tables
    .flatMap((path) => readFileSync(path, "utf8").trim().split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === LISTENS)
    .map(([, address]) => Number.parseInt(address?.split(":")[1] ?? "", 16));
}

/** Numbers in use by anything: a network, a control group, a program that listens on a port. */
export function numbersInUse(): Set<number> {
  const names = ["/run/netns", "/sys/class/net", ...controlGroups()].flatMap(namesIn);
  const numbers = names.map((name) => Number(/^ia(\d+)-/.exec(name)?.[1]));
  const ports = listeningPorts().flatMap((port) => [port - apiPort(0), port - browserPort(0)]);
  return new Set([...numbers, ...ports].filter((number) => number > 0 && number <= HIGHEST));
}

/** The numbers of a machine and their owners. */
export class Numbers {
  private readonly folder: string;
  private readonly inUse: () => ReadonlySet<number>;

  /**
   * @param folder where the claims are kept.
   * @param inUse returns the numbers in use by anything; they are not given out.
   */
  public constructor(folder = SHARED_FOLDER, inUse: () => ReadonlySet<number> = numbersInUse) {
    this.folder = folder;
    this.inUse = inUse;
  }

  /** All claims. */
  public claims(): Claim[] {
    return namesIn(this.folder)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => this.claimOn(Number(name)))
      .filter((claim) => claim !== undefined);
  }

  /**
   * Claims a free number.
   * @param first where to begin to look, so that checkouts and tests stay apart. Numbers end at 250.
   * @param preferred what to take if it is free.
   * @throws SandboxError when none is left.
   */
  public claim(first: number, claim: Omit<Claim, "number">, preferred = first): Claim {
    const inUse = this.inUse();
    const inOrder = Array.from({ length: HIGHEST - first + 1 }, (_, index) => first + index);
    for (const number of [preferred, ...inOrder]) {
      if (inUse.has(number)) continue;
      const made = { number, ...claim };
      if (this.isMade(made)) return made;
    }
    throw new SandboxError(
      "this machine has no number left for another sandbox: run npm stop in checkouts that you no longer need, and remove their .state",
    );
  }

  /**
   * Runs `work` on a claim's sandbox, unless the claim is gone. No other call does so meanwhile.
   * @returns whether the claim was there.
   */
  public holding(claim: Claim, work: () => Promise<void>): Promise<boolean> {
    const lock = join(this.folder, `${claim.number}.lock`);
    const run = async () => {
      // Somebody else may have given the number back, and a third have it now.
      if (JSON.stringify(this.claimOn(claim.number)) !== JSON.stringify(claim)) return false;
      await work();
      return true;
    };
    return withLock(lock, run, () => undefined);
  }

  /** Removes a claim's sandbox and gives its number back; does nothing if that was done. */
  public async giveBack(claim: Claim, remove: (claim: Claim) => Promise<void>): Promise<void> {
    await this.holding(claim, async () => {
      await remove(claim);
      rmSync(this.file(claim.number));
    });
  }

  /**
   * Gives abandoned numbers back. A sandbox that cannot be removed keeps its claim, and is no reason for
   * the caller to fail: it is another's.
   * @param report gets a line about each of those.
   */
  public async sweep(remove: (claim: Claim) => Promise<void>, report: (line: string) => void): Promise<void> {
    for (const claim of this.claims().filter(isAbandoned)) {
      await this.giveBack(claim, remove).catch((error: unknown) => {
        report(`sandbox ${claim.number}, which nobody uses any more, cannot be removed: ${(error as Error).message}`);
      });
    }
  }

  private file(number: number): string {
    return join(this.folder, String(number));
  }

  private claimOn(number: number): Claim | undefined {
    try {
      return JSON.parse(readFileSync(this.file(number), "utf8")) as Claim;
    } catch {
      return undefined;
    }
  }

  /** Writes a claim atomically: a half-written one would have no owner. */
  private isMade(claim: Claim): boolean {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const fresh = `${this.file(claim.number)}.${process.pid}`;
    writeFileSync(fresh, JSON.stringify(claim), { mode: 0o600 });
    try {
      linkSync(fresh, this.file(claim.number));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      return false;
    } finally {
      rmSync(fresh, { force: true });
    }
  }
}

/** The numbers of this machine. */
export const numbers = new Numbers();
