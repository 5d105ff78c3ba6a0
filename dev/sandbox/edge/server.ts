// The edge's listeners: TLS with HTTP/2 and HTTP/1.1 on every address and on a unix socket, plain HTTP beside it.

import { once } from "node:events";
import { rmSync } from "node:fs";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { Access } from "../access/access.ts";
import { listenOnSocket } from "../api/server.ts";
import { Feed } from "./feed.ts";
import { Handler } from "./handler.ts";
import { HTTP2_MEMORY, type Limits, LIMITS } from "./limits.ts";
import { OriginPools } from "./origin.ts";
import type { Egress } from "./origin-dial.ts";
import { setting, zoneOf } from "./sites.ts";
import { VisitorCertificates } from "./visitor-certificates.ts";

export interface Address {
  host: string;
  port: number;
}

/** Where an edge listens, and from which addresses it connects. */
export interface EdgeOptions {
  /** The API double's unix socket. */
  apiSocket: string;
  /** TLS listeners. A port of 0 takes a free one. */
  https: Address[];
  /** Plain listeners. */
  http: Address[];
  /** A unix socket for TLS as well, for browsers on this machine. Default: none. */
  socket?: string | undefined;
  /** Default: the system's choice of source address, ports 80 and 443. */
  egress?: Partial<Egress>;
  limits?: Partial<Limits>;
}

export interface RunningEdge {
  feed: Feed;
  /** Ports in the order of `https` and `http`. */
  httpsPorts: number[];
  httpPorts: number[];
  close(): Promise<void>;
}

const PROTOCOLS = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/** Whether a connection is older than the zone's min_tls_version; the zone is known only once the handshake names it. */
function tooOld(feed: Feed, socket: tls.TLSSocket): boolean {
  const named = (socket as { servername?: string | false }).servername;
  const zone = feed.current && typeof named === "string" ? zoneOf(feed.current.state, named) : undefined;
  const least = zone === undefined ? undefined : setting(zone, "min_tls_version");
  const wanted = least === "1.0" ? "TLSv1" : `TLSv${String(least)}`;
  return PROTOCOLS.indexOf(socket.getProtocol() ?? "") < PROTOCOLS.indexOf(wanted);
}

/** Starts an edge. Throws if an address is missing or in use. */
export async function startEdge(options: EdgeOptions): Promise<RunningEdge> {
  const limits = { ...LIMITS, ...options.limits };
  const feed = new Feed(options.apiSocket);
  const pools = new OriginPools({ httpPort: 80, httpsPort: 443, ...options.egress }, limits);
  const access = new Access(feed);
  const handler = new Handler({ feed, access, pools, limits, apiSocket: options.apiSocket });
  const certificates = new VisitorCertificates();

  const http1 = (scheme: "http" | "https"): http.Server => {
    // A large upload over a slow line takes longer than Node's five minutes for a whole request.
    const server = http.createServer({ maxHeaderSize: limits.headerBytes, requestTimeout: 0 });
    server.on("request", (request, response) => handler.handle(request, response, scheme));
    server.on("upgrade", (request, socket, head) => handler.upgrade(request, socket, head, scheme));
    server.keepAliveTimeout = 75_000;
    return server;
  };
  const secure = http1("https");
  const plain = http1("http");
  const multiplexed = http2.createServer({
    settings: { maxHeaderListSize: limits.headerBytes },
    maxSessionMemory: HTTP2_MEMORY,
  });
  multiplexed.on("request", (request, response) => {
    // Node's compatibility layer has all of an HTTP/1 request that the handler reads; its types do not say so.
    handler.handle(request as unknown as IncomingMessage, response as unknown as ServerResponse, "https");
  });
  multiplexed.on("sessionError", () => undefined);

  const tlsServer = tls.createServer({
    ALPNProtocols: ["h2", "http/1.1"],
    SNICallback: (name, done) => done(null, certificates.for(feed.current, name)),
  });
  tlsServer.on("tlsClientError", () => undefined);
  tlsServer.on("secureConnection", (socket) => {
    socket.on("error", () => socket.destroy());
    if (tooOld(feed, socket)) socket.destroy();
    else (socket.alpnProtocol === "h2" ? multiplexed : secure).emit("connection", socket);
  });

  const open = new Set<net.Socket>();
  const servers: net.Server[] = [];
  const accept = (target: net.Server): net.Server => {
    const server = net.createServer({ noDelay: true }, (socket) => {
      open.add(socket);
      socket.once("close", () => open.delete(socket));
      socket.on("error", () => socket.destroy());
      target.emit("connection", socket);
    });
    servers.push(server);
    return server;
  };
  const listen = async (target: net.Server, { host, port }: Address): Promise<number> => {
    const server = accept(target).listen({ host, port, ipv6Only: net.isIPv6(host) });
    await once(server, "listening");
    return (server.address() as net.AddressInfo).port;
  };

  const close = async (): Promise<void> => {
    feed.stop();
    const closed = servers.map((server) => once(server.close(), "close"));
    for (const socket of open) socket.destroy();
    pools.close();
    await Promise.all(closed);
    if (options.socket !== undefined) rmSync(options.socket, { force: true });
  };

  feed.start();
  const httpsPorts: number[] = [];
  const httpPorts: number[] = [];
  for (const address of options.https) httpsPorts.push(await listen(tlsServer, address));
  for (const address of options.http) httpPorts.push(await listen(plain, address));
  if (options.socket !== undefined) await listenOnSocket(accept(tlsServer), options.socket);
  return { feed, httpsPorts, httpPorts, close };
}
