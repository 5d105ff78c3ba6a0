// An API double, an edge and a TLS origin on loopback, for tests.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import type { World } from "../api/app.ts";
import { type SandboxApi, apiSocket, sandboxApi } from "../api/client.ts";
import { type RunningApi, startApi } from "../api/server.ts";
import type { State } from "../api/state.ts";
import { DEV } from "../api/world.ts";
import { issue, newKey, type KeyPairPem } from "../certificates/x509.ts";
import type { Limits } from "../edge/limits.ts";
import { type RunningEdge, startEdge } from "../edge/server.ts";

export const SITE = "photos.home.localhost";
const HOUR = 3_600_000;

/** A certificate of one of the sandbox's CAs. */
export function certificate(
  issuer: KeyPairPem,
  hostnames: string[],
  change: Partial<Parameters<typeof issue>[1]> = {},
): KeyPairPem {
  const key = newKey("ec");
  const pem = issue(issuer, {
    subject: [["CN", hostnames[0] ?? "client"]],
    publicKey: key.publicKey,
    hostnames,
    notBefore: new Date(Date.now() - 48 * HOUR),
    notAfter: new Date(Date.now() + 48 * HOUR),
    ...change,
  });
  return { certificate: pem, privateKey: key.pem };
}

/** What a visitor gets. */
export interface Got {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

export interface Fixture<O extends Server = https.Server> {
  api: RunningApi;
  admin: SandboxApi;
  world: World;
  edge: RunningEdge;
  origin: O;
  /** Changes the state directly and waits until the edge has it. */
  change(edit: (state: State) => void): Promise<void>;
  /** A visitor's request over TLS, by default to the site. */
  visit(path: string, options?: VisitOptions): Promise<Got>;
  close(): Promise<void>;
}

export interface VisitOptions {
  host?: string;
  serverName?: string;
  method?: string;
  headers?: http.OutgoingHttpHeaders;
  body?: string | Buffer | undefined;
}

/** The state in which the site is served in Full (strict) mode. */
function published(state: State): void {
  const zone = state.zones[0];
  if (zone === undefined) throw new Error("no zone");
  zone.settings["ssl"] = { value: "strict", modified_on: null };
  state.dns_records = [
    {
      id: "1",
      zone_id: DEV.zone,
      name: SITE,
      type: "A",
      content: "127.0.0.1",
      proxied: true,
      ttl: 1,
      comment: null,
      tags: [],
      settings: {},
      created_on: "",
      modified_on: "",
    },
  ];
}

function request(url: https.RequestOptions, body?: string | Buffer): Promise<Got> {
  return new Promise((resolve, reject) => {
    const outgoing = https.request({ ...url, agent: false, signal: AbortSignal.timeout(10_000) }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** A visitor's request to the site that is not yet ended, on a connection of its own. */
export const openRequest = (
  { edge, world }: Pick<Fixture, "edge" | "world">,
  {
    headers,
    ...options
  }: Pick<https.RequestOptions, "method" | "path" | "signal"> & { headers?: http.OutgoingHttpHeaders },
): http.ClientRequest =>
  https.request({
    host: "127.0.0.1",
    port: edge.httpsPorts[0],
    servername: SITE,
    ca: world.cas.publicCa.certificate,
    agent: false,
    headers: { host: SITE, ...headers },
    ...options,
  });

/** Starts everything. `answer` is the origin; without it, it answers 200 with the request's method, path and headers. */
export function startFixture(
  answer: http.RequestListener = (incoming, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method: incoming.method, path: incoming.url, headers: incoming.headers }));
  },
  limits: Partial<Limits> = {},
): Promise<Fixture> {
  return startFixtureWith((options) => https.createServer(options, answer), limits);
}

/** Starts everything, with an origin of another kind. */
export async function startFixtureWith<O extends Server>(
  createOrigin: (options: tls.TlsOptions) => O,
  limits: Partial<Limits> = {},
): Promise<Fixture<O>> {
  const stateDir = mkdtempSync(join(tmpdir(), "edge-"));
  const socket = apiSocket(stateDir);
  const api = await startApi({ folder: join(stateDir, "sandbox", "api"), socket, port: 0 });
  const { world } = api;
  const own = certificate(world.cas.originCa, [SITE]);
  // It asks for the edge's certificate, and answers whether there is one or not.
  const asking = { requestCert: true, rejectUnauthorized: false };
  const origin = createOrigin({ cert: own.certificate, key: own.privateKey, ...asking });
  const sockets = new Set<Socket>();
  origin.on("connection", (socket: Socket) => sockets.add(socket.once("close", () => sockets.delete(socket))));
  origin.listen(0, "127.0.0.1");
  await once(origin, "listening");
  const edge = await startEdge({
    apiSocket: socket,
    https: [{ host: "127.0.0.1", port: 0 }],
    http: [{ host: "127.0.0.1", port: 0 }],
    egress: { httpsPort: (origin.address() as AddressInfo).port },
    limits,
  });
  const change = async (edit: (state: State) => void): Promise<void> => {
    world.store.change(edit);
    await edge.feed.until((state) => state.tag === world.store.tag);
  };
  await change(published);

  return {
    api,
    admin: sandboxApi(stateDir),
    world,
    edge,
    origin,
    change,
    visit: (path, { host = SITE, serverName = host, method = "GET", headers = {}, body } = {}) =>
      request(
        {
          host: "127.0.0.1",
          port: edge.httpsPorts[0],
          servername: serverName.replace(/:\d+$/, ""),
          ca: world.cas.publicCa.certificate,
          checkServerIdentity: (_name, peer) => tls.checkServerIdentity(serverName.replace(/:\d+$/, ""), peer),
          method,
          path,
          headers: { host, ...headers },
        },
        body,
      ),
    close: async () => {
      await edge.close();
      await api.close();
      for (const socket of sockets) socket.destroy();
      origin.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}
