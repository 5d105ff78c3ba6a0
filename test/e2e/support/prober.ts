import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { commandAt } from "../../../sandbox/network/network.ts";
import type { Sandbox } from "../../../sandbox/sandbox.ts";

/** One way on which a stranger may try to reach Immich. */
export interface Way {
  way: string;
  address: string;
  port: number;
  tls: boolean;
}

/** One try: when it began (milliseconds), and what came of it; `pong` means that Immich itself has answered. */
export interface Attempt {
  way: string;
  at: number;
  answer: string;
}

/** Strangers who try to reach Immich without credentials, over and over, until `stop` is called. */
export interface Prober {
  /** Ends the attempts and tells of them. Rejects if they did not go on until now. */
  stop(): Promise<Attempt[]>;
}

/** Longer than one try may take: without a try for so long, nobody was watching. */
const GAP_MS = 10_000;

/** Sends strangers to the site through the edge and to the host itself, over IPv4 and IPv6. */
export function startProber(sandbox: Sandbox, hostname: string): Prober {
  const ways: Way[] = [
    { way: "through the edge", address: sandbox.edge.ipv4, port: 443, tls: true },
    { way: "through the edge, IPv6", address: sandbox.edge.ipv6, port: 443, tls: true },
    { way: "to the host", address: sandbox.origin.ipv4, port: 443, tls: true },
    { way: "to the host, IPv6", address: sandbox.origin.ipv6, port: 443, tls: true },
    { way: "to Immich's own port", address: sandbox.origin.ipv4, port: 2283, tls: false },
  ];
  const program = [
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    join(import.meta.dirname, "strangers.ts"),
  ];
  const command = commandAt(sandbox.number, "out", [...program, hostname, JSON.stringify(ways)]);
  const child = spawn(command[0] ?? "", command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const closed = once(child, "close");
  return {
    stop: async () => {
      const stopped = Date.now();
      child.stdin.end();
      await closed;
      const attempts = JSON.parse(output) as Attempt[];
      for (const { way } of ways) {
        const times = [...attempts.filter((attempt) => attempt.way === way).map(({ at }) => at), stopped];
        const gap = Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? 0)));
        if (times.length < 3 || gap > GAP_MS) throw new Error(`nobody watched the way ${way} for ${gap} ms`);
      }
      return attempts;
    },
  };
}

/** The attempts that reached Immich, which none may. */
export const reached = (attempts: readonly Attempt[]): Attempt[] => attempts.filter(({ answer }) => answer === "pong");
