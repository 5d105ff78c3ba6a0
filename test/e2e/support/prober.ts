import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox } from "../../../sandbox/sandbox.ts";

/** What strangers got while they tried all the time: how often each answer came, by the way that was tried. */
export type Tried = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Strangers who try to reach Immich without credentials, over and over, until `stop` is called. */
export interface Prober {
  /** Ends the attempts and tells what came of them. */
  stop(): Promise<Tried>;
}

/** One attempt a turn; what it prints is `pong` if Immich itself has answered, else the status or curl's own code. */
const SCRIPT = `
while [ ! -e "$0" ]; do
  answer=$(curl --silent --insecure --max-time 1 --write-out ' %{http_code}/%{exitcode}' "$@")
  case $answer in *pong*) echo pong ;; *) echo "\${answer##* }" ;; esac
  sleep 0.3
done`;

/**
 * Sends strangers to the site through the edge and to the host itself, over IPv4 and IPv6, with new connections only.
 */
export function startProber(sandbox: Sandbox, hostname: string): Prober {
  const ended = join(tmpdir(), `immich-access-prober-${randomUUID()}`);
  const ping = "/api/server/ping";
  const direct = (address: string, port: number) => [
    "--resolve",
    `${hostname}:${port}:${address}`,
    `${port === 443 ? "https" : "http"}://${hostname}:${port}${ping}`,
  ];
  const ways: Record<string, string[]> = {
    "through the edge": direct(sandbox.edge.ipv4, 443),
    "through the edge, IPv6": direct(`[${sandbox.edge.ipv6}]`, 443),
    "to the host": direct(sandbox.origin.ipv4, 443),
    "to the host, IPv6": direct(`[${sandbox.origin.ipv6}]`, 443),
    "to Immich's own port": direct(sandbox.origin.ipv4, 2283),
  };
  const runs = Object.entries(ways).map(async ([way, args]) => {
    const { stdout } = await sandbox.runAsStranger(["sh", "-c", SCRIPT, ended, ...args]);
    const counts: Record<string, number> = {};
    for (const answer of stdout.trim().split("\n")) counts[answer] = (counts[answer] ?? 0) + 1;
    return [way, counts] as const;
  });
  return {
    stop: async () => {
      writeFileSync(ended, "");
      try {
        return Object.fromEntries(await Promise.all(runs));
      } finally {
        rmSync(ended, { force: true });
      }
    },
  };
}
