// The parts of one sandbox: networks, host, API double, edge.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { sandboxApi } from "./api/client.ts";
import { Daemon } from "./daemon.ts";
import { Host } from "./host/host.ts";
import { EDGE, EGRESS } from "./network/network.ts";

/** The folder of a sandbox in a state folder. */
export const sandboxFolder = (stateDir: string): string => join(stateDir, "sandbox");

/** The folder of its host. */
export const hostFolder = (stateDir: string): string => join(sandboxFolder(stateDir), "host");

/** PEM file of the CA behind the edge's certificates; the API double makes it when it starts. */
export const publicCa = (stateDir: string): string => join(sandboxFolder(stateDir), "api", "ca", "public-ca.pem");

/** Whether all networks of a sandbox are there. */
export function networkIsThere(number: number): boolean {
  const spaces = ["host", "edge", "out", "net"].map((space) => `/run/netns/ia${number}-${space}`);
  return [...spaces, `/sys/class/net/ia${number}-adm`].every((path) => existsSync(path));
}

/** @param layer the host's packages; only a boot needs them. */
export function hostOf(stateDir: string, number: number, layer = ""): Host {
  return new Host({ number, folder: hostFolder(stateDir), layer, ca: publicCa(stateDir) });
}

/** The API double as a process. */
export function apiDaemon(stateDir: string, number: number): Daemon {
  return new Daemon({
    name: "api",
    folder: sandboxFolder(stateDir),
    command: nodeProgram("api/main.ts", stateDir, String(number)),
    version: `${number}:${version()}`,
    ready: () =>
      sandboxApi(stateDir)
        .ready(0)
        .then(() => true)
        .catch(() => false),
  });
}

/** The edge as a process in its own network namespace. */
export function edgeDaemon(stateDir: string, number: number): Daemon {
  const folder = sandboxFolder(stateDir);
  const socket = join(folder, "edge.sock");
  return new Daemon({
    name: "edge",
    folder,
    command: [
      "nsenter",
      `--net=/run/netns/ia${number}-edge`,
      ...nodeProgram("edge/main.ts", "--api-socket", join(folder, "api.sock"), "--socket", socket),
      ...[EDGE.ipv4, EDGE.ipv6].flatMap((address) => ["--listen", address]),
      ...[EGRESS.ipv4, EGRESS.ipv6].flatMap((address) => ["--egress", address]),
    ],
    version: `${number}:${version()}`,
    ready: () => accepts(socket),
  });
}

const nodeProgram = (program: string, ...args: string[]): string[] => [
  process.execPath,
  "--disable-warning=ExperimentalWarning",
  join(import.meta.dirname, program),
  ...args,
];

/** Hash of the text of API and edge, so that a running sandbox is never an outdated one. */
function version(): string {
  const hash = createHash("sha256");
  for (const part of ["access", "api", "certificates", "edge"]) {
    const folder = join(import.meta.dirname, part);
    for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
      if (file.endsWith(".ts")) hash.update(readFileSync(join(folder, file)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}

/** Whether a process accepts connections on a unix socket. */
function accepts(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = net.connect(socket, () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", () => resolve(false));
  });
}
