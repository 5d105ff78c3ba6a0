// What is left of a sandbox on this machine, where other checkouts' sandboxes come and go at any moment. A name with a
// number in it is whose the number is at that moment; a folder from mkdtemp and a random mark are one sandbox's for good.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { numbers } from "../../dev/sandbox/numbers.ts";

/** Processes with a mark in their environment that no other process can have. */
export function processesWith(mark: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark);
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
}

/** Everything on this machine with a text in its name. */
function named(text: string): string[] {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  const controlGroups = mounts.map((line) => line.split(" ")).filter(([, , type]) => type === "cgroup2");
  const everything = [
    ...["/run/netns", "/sys/class/net"].flatMap((folder) => readdirSync(folder)),
    ...mounts,
    ...execFileSync("ps", ["ax", "-ww", "-o", "args"], { encoding: "utf8" }).split("\n"),
    ...controlGroups.flatMap(([, target = ""]) => readdirSync(target)),
    ...readFileSync("/proc/net/unix", "utf8").split("\n"),
  ];
  return everything.filter((line) => line.includes(text));
}

/** Everything with a sandbox's folder in its name, which no other sandbox ever has. */
export const leftInFolder = (folder: string): string[] => [
  ...named(folder),
  ...processesWith(folder).map((pid) => `process ${pid}`),
];

/**
 * Everything with a number in its name.
 * @param hostFolder whose number it is: without its claim another sandbox could bear the number by now.
 */
export function leftByNumber(number: number, hostFolder: string): string[] {
  const isOwn = numbers.claims().some((claim) => claim.number === number && claim.hostFolder === hostFolder);
  if (!isOwn) throw new Error(`${number} is no longer the number of ${hostFolder}: what bears it may be another's`);
  return named(`ia${number}-`);
}

/** Whether a sandbox still has a claim on a number. */
export const isClaimed = (hostFolder: string): boolean =>
  numbers.claims().some((claim) => claim.hostFolder === hostFolder);
