// The sandbox's host as the machine that the deployment runs on: each other's loopback address leads to the other.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { forward } from "../../../dev/sandbox/api/forward.ts";
import { commandAt } from "../../../dev/sandbox/network/network.ts";
import type { World } from "./world.ts";

const RELAY = join(import.meta.dirname, "../../host/support/relay.ts");

/** A way to the host's loopback address. */
export interface Loopback {
  /** The port of 127.0.0.1 on this machine that leads to the host's own sshd, from the host's 127.0.0.1. */
  sshPort: number;
  close(): Promise<void>;
}

/** Opens it. On the host itself 127.0.0.1 then leads to the API of Cloudflare, at the same port as on this machine. */
export async function openLoopback({ sandbox }: World): Promise<Loopback> {
  const folder = mkdtempSync(join(tmpdir(), "immich-access-loopback-"));
  const [ssh, api] = [join(folder, "ssh"), join(folder, "api")];
  const apiPort = Number(new URL(sandbox.apiUrl).port);
  const relays = [
    await relay(commandAt(sandbox.number, "host", []), [
      { listen: { path: ssh }, connect: { host: "127.0.0.1", port: 22 } },
      { listen: { host: "127.0.0.1", port: apiPort }, connect: { path: api } },
    ]),
    await relay([], [{ listen: { path: api }, connect: { host: "127.0.0.1", port: apiPort } }]),
  ];
  const server: Server = await forward(0, ssh);
  return {
    sshPort: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      for (const one of relays) {
        const ended = once(one, "exit");
        one.stdin?.end();
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function relay(place: readonly string[], routes: object[]): Promise<ChildProcess> {
  const [file = "", ...args] = [...place, process.execPath, RELAY, JSON.stringify(routes)];
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}
