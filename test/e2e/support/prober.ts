import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { commandAt } from "../../../sandbox/network/network.ts";
import type { Sandbox } from "../../../sandbox/sandbox.ts";
import type { Step } from "./deployment.ts";

/**
 * Attempts in a row on one way that ended alike.
 *
 * Answers are `pong` (Immich itself), a status, `open` (a port that takes connections), `banner` (sshd), `dropped` (no
 * packet came back), `no answer` (none on a connection that was made), or an error of the connection, like ECONNREFUSED.
 */
export interface Attempts {
  way: string;
  answer: string;
  count: number;
  /** When the first and the last of them began, in milliseconds of `Date.now()`. */
  at: number;
  until: number;
}

/** Strangers who try to reach Immich without credentials, over and over, until `stop` is called. */
export interface Prober {
  /** Ends the attempts and tells of them. Rejects if they did not go on until now. */
  stop(): Promise<Attempts[]>;
}

interface Way {
  way: string;
  address: string;
  port: number;
  kind: "tls" | "http" | "port" | "ssh";
  every_ms: number;
}

/** Longer than a busy machine keeps a process waiting: without a try for so long, nobody was watching. */
const GAP_MS = 5_000;
const SSH = "SSH";

/**
 * Sends strangers to the site through the edge and to the host itself, over IPv4 and IPv6: a new connection every
 * 2 ms, for about a fifth of a core, the edge's share included.
 */
export function startProber(sandbox: Pick<Sandbox, "number" | "edge" | "origin">, hostname: string): Prober {
  const ways = (["ipv4", "ipv6"] as const).flatMap((family): Way[] => {
    const named = (way: string) => (family === "ipv4" ? way : `${way}, IPv6`);
    const [edge, host] = [sandbox.edge[family], sandbox.origin[family]];
    return [
      { way: named("through the edge"), address: edge, port: 443, kind: "tls", every_ms: 100 },
      { way: named("through the edge, plain"), address: edge, port: 80, kind: "http", every_ms: 50 },
      { way: named("to the host"), address: host, port: 443, kind: "tls", every_ms: 20 },
      { way: named("to the host, plain"), address: host, port: 80, kind: "http", every_ms: 20 },
      { way: named("to Immich's own port"), address: host, port: 2283, kind: "http", every_ms: 20 },
      { way: named(`${SSH}'s port`), address: host, port: 22, kind: "port", every_ms: 20 },
      { way: named(SSH), address: host, port: 22, kind: "ssh", every_ms: 1000 },
    ];
  });
  const program = ["/usr/bin/python3", "-IB", join(import.meta.dirname, "strangers.py")];
  const command = commandAt(sandbox.number, "out", [...program, hostname, JSON.stringify(ways)]);
  const child = spawn(command[0] ?? "", command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const closed = once(child, "close");
  return {
    stop: async () => {
      child.stdin.end();
      await closed;
      const { gaps, attempts } = JSON.parse(output) as { gaps: Record<string, number>; attempts: Attempts[] };
      for (const { way } of ways) {
        const gap = gaps[way] ?? Infinity;
        const tried = attempts.some((one) => one.way === way);
        if (!tried || gap > GAP_MS) throw new Error(`nobody watched the way ${way} for ${gap} ms`);
      }
      return attempts;
    },
  };
}

/** The attempts that reached Immich, which none may. */
export const reached = (attempts: readonly Attempts[]): Attempts[] =>
  attempts.filter(({ answer }) => answer === "pong");

/** The attempts to which SSH did not answer as it should, which none may. */
export const lockedOut = (attempts: readonly Attempts[]): Attempts[] =>
  attempts.filter(({ way, answer }) => way.startsWith(SSH) && answer !== "open" && answer !== "banner");

/** What broke a promise: one line for each, with its time and the steps that were in progress. */
export function failures(attempts: readonly Attempts[], steps: readonly Step[] = []): string[] {
  const time = (at: number) => new Date(at).toISOString().slice(11, 23);
  return [...reached(attempts), ...lockedOut(attempts)].map(({ way, answer, count, at, until }) => {
    const during = steps.filter(({ beganAt, doneAt }) => beganAt <= until && at <= doneAt);
    const named = during.map(({ op, name }) => `${op} ${name}`).join(", ") || "no step";
    return `${way}: ${answer}, ${count} times from ${time(at)} to ${time(until)}, during ${named}`;
  });
}
