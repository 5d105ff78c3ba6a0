// Brings the API double up: TCP for clients and browsers, a unix socket for the sandbox's own parts.

import { once } from "node:events";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import net from "node:net";
import { dirname, join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { adminApp } from "./admin.ts";
import { apiApp, type World } from "./app.ts";
import { loadCas } from "./cas.ts";
import { Faults } from "./faults.ts";
import { type ApiContext, Journal } from "./journal.ts";
import { statusApp } from "./status/page.ts";
import { Store } from "./store.ts";
import { completed, devToken, firstState } from "./world.ts";

/** Where the API double keeps its files and where it listens. */
export interface ApiOptions {
  /** Folder for state, CAs, the dev token and the log of requests. */
  folder: string;
  /** Unix socket with API and admin side. */
  socket: string;
  /** TCP port on 127.0.0.1 for the API and the status page; 0 takes a free one. */
  port: number;
}

export interface RunningApi {
  world: World;
  port: number;
  close(): Promise<void>;
}

/** Loads the state in `folder`, or creates it. */
function openWorld(folder: string): World {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const token = devToken(join(folder, "token"));
  return {
    store: new Store(join(folder, "state.json"), () => firstState(token), completed),
    cas: loadCas(join(folder, "ca")),
    journal: new Journal(join(folder, "requests.jsonl")),
    faults: new Faults(),
  };
}

/** Whether a process accepts connections on a unix socket. */
async function inUse(path: string): Promise<boolean> {
  const socket = net.connect(path);
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(2000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Listens on a unix socket with mode 0600. A socket that a dead process left behind is taken over. */
export async function listenOnSocket(server: net.Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (await inUse(path)) throw new Error(`${path} is in use: another sandbox of this checkout is running`);
  rmSync(path, { force: true });
  server.listen(path);
  await once(server, "listening");
  chmodSync(path, 0o600);
}

function serverFor(app: Hono<ApiContext>): Server {
  return createAdaptorServer({ fetch: app.fetch }) as Server;
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

/** Starts the API double. Throws if the port or the socket is taken, saying which. */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const world = openWorld(options.folder);
  const api = apiApp(world);

  const open = serverFor(new Hono<ApiContext>().route("/", statusApp(world)).route("/", api));
  open.listen(options.port, "127.0.0.1");
  try {
    await once(open, "listening");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "EADDRINUSE" ? "is in use" : String(error);
    throw new Error(`127.0.0.1:${options.port} ${reason}; stop what listens there and try again`, {
      cause: error,
    });
  }
  const hidden = serverFor(new Hono<ApiContext>().route("/", api).route("/", adminApp(world)));
  await listenOnSocket(hidden, options.socket);

  const address = open.address() as net.AddressInfo;
  return {
    world,
    port: address.port,
    close: async () => {
      await Promise.all([closeServer(open), closeServer(hidden)]);
      rmSync(options.socket, { force: true });
    },
  };
}
