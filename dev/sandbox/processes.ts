import { readFileSync } from "node:fs";

/** What the kernel says about a process. */
export interface ProcessState {
  /** When it started, in clock ticks since the machine's boot: tells it from a later process with its number. */
  started: string;
  /** Whether it still has memory, files and sockets; one that only waits to be reaped has none. */
  alive: boolean;
}

/** The state of a process, or undefined when there is none with this number. */
export function processState(pid: number): ProcessState | undefined {
  try {
    // The second field is the program's name in parentheses and may hold anything. See proc(5) for the others.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return { started: fields[19] ?? "", alive: fields[0] !== "Z" && fields[0] !== "X" };
  } catch {
    return undefined;
  }
}

/** When a process started; undefined when there is no such process. */
export const startTime = (pid: number): string | undefined => processState(pid)?.started;
