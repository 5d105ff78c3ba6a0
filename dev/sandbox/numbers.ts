// Sandboxes of one machine are told apart by a number, which is in the names and ports of all that they make. A claim
// on a number is a file in /run, so it ends with the machine's boot, as everything that it stands for does.

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "../toolchain/lock.ts";
import { SandboxError } from "./error.ts";
import { startTime } from "./processes.ts";

const FOLDER = "/run/immich-access-sandbox";
const HIGHEST = 250;

/** Whose a sandbox is. */
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

const file = (number: number): string => join(FOLDER, String(number));

function readClaim(number: number): Claim | undefined {
  try {
    return JSON.parse(readFileSync(file(number), "utf8")) as Claim;
  } catch {
    return undefined;
  }
}

/** All claims. */
export function claims(): Claim[] {
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  return readdirSync(FOLDER)
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readClaim(Number(name)))
    .filter((claim) => claim !== undefined);
}

/** Whether nobody is left who would give the number back: its process has ended, or its state folder was removed. */
function isAbandoned({ owner, stateDir }: Claim): boolean {
  if (owner !== undefined) return startTime(owner.pid) !== owner.started;
  return stateDir !== undefined && !existsSync(stateDir);
}

/** Numbers whose networks are there, whoever made them. */
function numbersInUse(): Set<number> {
  const names = ["/run/netns", "/sys/class/net"].flatMap((folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  });
  return new Set(names.map((name) => Number(/^ia(\d+)-/.exec(name)?.[1])).filter((number) => number > 0));
}

/**
 * Claims a number that nobody has.
 * @param first where to begin to look, so that checkouts and tests stay apart. Numbers end at 250.
 * @param preferred what to take if it is free.
 * @throws SandboxError when none is left.
 */
export function claimNumber(first: number, claim: Omit<Claim, "number">, preferred = first): Promise<Claim> {
  return locked(() => {
    const inUse = numbersInUse();
    for (const { number } of claims()) inUse.add(number);
    const inOrder = Array.from({ length: HIGHEST - first + 1 }, (_, index) => first + index);
    for (const number of [preferred, ...inOrder]) {
      if (inUse.has(number)) continue;
      const made = { number, ...claim };
      // As a whole or not at all: a half-written claim would be nobody's.
      const fresh = `${file(number)}.${process.pid}`;
      writeFileSync(fresh, JSON.stringify(made), { mode: 0o600 });
      renameSync(fresh, file(number));
      return Promise.resolve(made);
    }
    throw new SandboxError("too many sandboxes run on this machine; end some with npm stop in their checkouts");
  });
}

/**
 * Gives back the numbers that nobody is left to give back.
 * @param remove removes what a claim stands for. No number is claimed meanwhile, so it never hits a new owner.
 */
export function sweep(remove: (claim: Claim) => Promise<void>): Promise<void> {
  if (!claims().some(isAbandoned)) return Promise.resolve();
  return locked(async () => {
    for (const claim of claims().filter(isAbandoned)) {
      await remove(claim);
      releaseNumber(claim.number);
    }
  });
}

/** Gives a number back. */
export function releaseNumber(number: number): void {
  rmSync(file(number), { force: true });
}

function locked<T>(work: () => Promise<T>): Promise<T> {
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  return withLock(join(FOLDER, "lock"), work, () => undefined);
}
