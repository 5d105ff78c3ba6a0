// Sandboxes of one machine are told apart by a number, which is in the names and ports of all that they make. A claim
// on a number is a file in /run, so it ends with the machine's boot, as everything that it stands for does.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "../toolchain/lock.ts";
import { SandboxError } from "./error.ts";
import { startTime } from "./host/host.ts";

const FOLDER = "/run/immich-access-sandbox";
const HIGHEST = 250;

/** Whose a sandbox is. */
export interface Claim {
  number: number;
  /** Folder of its host; what it has booted there goes with the claim. */
  hostFolder: string;
  /** The process it belongs to, with its start time. A checkout's sandbox belongs to no process but to its folder. */
  owner: { pid: number; started: string } | { stateFolder: string };
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

/** Claims whose process has ended. */
export const abandonedClaims = (): Claim[] =>
  claims().filter(({ owner }) => "pid" in owner && startTime(owner.pid) !== owner.started);

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
 * @throws SandboxError when none is left.
 */
export function claimNumber(first: number, claim: Omit<Claim, "number">): Promise<Claim> {
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  return withLock(
    join(FOLDER, "lock"),
    () => {
      const inUse = numbersInUse();
      for (const { number } of claims()) inUse.add(number);
      for (let number = first; number <= HIGHEST; number += 1) {
        if (inUse.has(number)) continue;
        const made = { number, ...claim };
        // As a whole or not at all: a half-written claim would be nobody's.
        const fresh = `${file(number)}.${process.pid}`;
        writeFileSync(fresh, JSON.stringify(made), { mode: 0o600 });
        renameSync(fresh, file(number));
        return Promise.resolve(made);
      }
      throw new SandboxError("too many sandboxes run on this machine; end some with npm stop in their checkouts");
    },
    () => undefined,
  );
}

/** Gives a number back. */
export function releaseNumber(number: number): void {
  rmSync(file(number), { force: true });
}
