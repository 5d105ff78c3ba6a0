import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { commandAt } from "../../../dev/sandbox/network/network.ts";
import type { Sandbox } from "../../../dev/sandbox/sandbox.ts";
import { PYTHON } from "../../support/python.ts";
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
  /** From where: a stranger's address, or one of Cloudflare's. */
  from: "out" | "edge";
  address: string;
  port: number;
  kind: "tls" | "http" | "port" | "ssh";
  every_ms: number;
}

/** Longer than a busy machine keeps a process waiting; a longer gap between attempts fails the test. */
const GAP_MS = 5_000;
const SSH = "SSH";

/**
 * Sends strangers to the site through the edge and to the host itself, over IPv4 and IPv6: a new connection every
 * 2 ms. That takes about a third of a core; a good half of it is for the answers of edge, nginx and sshd.
 *
 * @param ports the host's ports on which nginx serves the site at some time
 */
export function startProber(
  sandbox: Pick<Sandbox, "number" | "edge" | "origin">,
  hostname: string,
  ports: readonly number[] = [443],
): Prober {
  const ways = (["ipv4", "ipv6"] as const).flatMap((family): Way[] => {
    const named = (way: string) => (family === "ipv4" ? way : `${way}, IPv6`);
    const [edge, host] = [sandbox.edge[family], sandbox.origin[family]];
    const web = (way: string, address: string, port: number, every_ms: number): Way => ({
      way: named(way),
      from: "out",
      address,
      port,
      every_ms,
      kind: port === 443 || ports.includes(port) ? "tls" : "http",
    });
    const served = ports.flatMap((port): Way[] => {
      const where = port === 443 ? "" : `, port ${port}`;
      return [
        web(`to the host${where}`, host, port, 20),
        { ...web(`to the host from Cloudflare's address${where}`, host, port, 200), from: "edge" },
      ];
    });
    return [
      web("through the edge", edge, 443, 100),
      web("through the edge, plain", edge, 80, 50),
      ...served,
      web("to the host, plain", host, 80, 20),
      web("to Immich's own port", host, 2283, 20),
      { way: named(`${SSH}'s port`), from: "out", address: host, port: 22, kind: "port", every_ms: 20 },
      { way: named(SSH), from: "out", address: host, port: 22, kind: "ssh", every_ms: 1000 },
    ];
  });
  const started = (["out", "edge"] as const).map((place) => start(sandbox.number, place, hostname, ways));
  return {
    stop: async () => {
      const told = await Promise.all(started.map((end) => end()));
      const attempts = told.flatMap((one) => one.attempts);
      const gaps = new Map(told.flatMap((one) => Object.entries(one.gaps)));
      for (const { way } of ways) {
        const gap = gaps.get(way) ?? Infinity;
        const tried = attempts.some((one) => one.way === way);
        if (!tried || gap > GAP_MS) throw new Error(`nobody watched the way ${way} for ${gap} ms`);
      }
      return attempts;
    },
  };
}

/** What the process tells at its end: for each way the longest time without a new attempt, and the attempts. */
interface Told {
  gaps: Record<string, number>;
  attempts: Attempts[];
}

/** Starts the strangers of one place; the result ends them. */
function start(number: number, place: Way["from"], hostname: string, ways: readonly Way[]): () => Promise<Told> {
  const own = ways.filter(({ from }) => from === place).map(({ from: _, ...way }) => way);
  const program = [PYTHON, "-IB", join(import.meta.dirname, "strangers.py")];
  const [file = "", ...args] = commandAt(number, place, [...program, hostname, JSON.stringify(own)]);
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const closed = once(child, "close");
  return async () => {
    child.stdin.end();
    await closed;
    return JSON.parse(output) as Told;
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
