// What the edge does with one request: find the site, ask Access, go to the origin.

import { randomBytes } from "node:crypto";
import { type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Access } from "../access/access.ts";
import type { Visit } from "../access/visit.ts";
import { type Answer, errorAnswer, send } from "./answers.ts";
import { type EdgeState, type Feed, overSocket } from "./feed.ts";
import { type RequestFacts, valuesOf } from "./headers.ts";
import type { Limits } from "./limits.ts";
import type { OriginPools } from "./origin.ts";
import { originPlan } from "./origin-plan.ts";
import { Proxy } from "./proxy.ts";
import { cachingResolver } from "./resolver.ts";
import { API_HOST, setting, type Site, siteOf, teamOf, zoneOf } from "./sites.ts";
import { passWebsocket } from "./websocket.ts";

/** What a handler works with. */
export interface HandlerParts {
  feed: Feed;
  access: Access;
  pools: OriginPools;
  limits: Limits;
  /** The API double's unix socket, for the ranges under the API's own name. */
  apiSocket: string;
}

/** A websocket handshake's connection. */
interface Upgrade {
  socket: Duplex;
  head: Buffer;
}

const MAX_URL = 16_384;

const newRay = (): string => `${randomBytes(8).toString("hex")}-SBX`;

/** The visitor's address; over the unix socket (a browser on this machine) it is loopback. */
const addressOf = (request: IncomingMessage): string =>
  (request.socket.remoteAddress ?? "127.0.0.1").replace(/^::ffff:/, "");

/** Host name and port of a request, or undefined if it names none, or more than one (RFC 9112, section 3.2). */
function hostOf(request: IncomingMessage): { host: string; port: string } | undefined {
  if (valuesOf(request, "host").length > 1) return undefined;
  const authority = String(request.headers[":authority"] ?? request.headers.host ?? "").toLowerCase();
  const match = /^([a-z0-9._-]+?)\.?(:\d{1,5})?$/.exec(authority);
  return match?.[1] === undefined ? undefined : { host: match[1], port: match[2] ?? "" };
}

const redirect = (location: string): Answer => ({ status: 301, headers: { location } });

/** Handles the requests of all listeners. */
export class Handler {
  readonly #parts: HandlerParts;
  readonly #proxy: Proxy;
  readonly #resolve = cachingResolver();

  constructor(parts: HandlerParts) {
    this.#parts = parts;
    this.#proxy = new Proxy(parts.pools, parts.limits);
  }

  /** A plain request. */
  handle(request: IncomingMessage, response: ServerResponse, scheme: "http" | "https"): void {
    void this.#serve(request, response, scheme);
  }

  /** A request to switch to another protocol; all but websockets are treated as plain requests. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, scheme: "http" | "https"): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.once("finish", () => (socket as Socket).destroySoon());
    socket.on("error", () => socket.destroy());
    const websocket = request.headers.upgrade?.toLowerCase() === "websocket" && request.method === "GET";
    void this.#serve(request, response, scheme, websocket ? { socket, head } : undefined);
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    scheme: "http" | "https",
    upgrade?: Upgrade,
  ): Promise<void> {
    const ray = newRay();
    response.on("error", () => response.destroy());
    try {
      const answer = await this.#decide(request, response, scheme, ray, upgrade);
      if (answer === undefined) return;
      send(request, response, answer, ray);
      request.resume();
    } catch (error) {
      console.error(
        `edge: ${request.method} ${request.headers.host ?? ""}: ${(error as Error).stack ?? String(error)}`,
      );
      send(request, response, errorAnswer(request, 500, "Internal error of the sandbox's edge", ray), ray);
    }
  }

  /** The edge's own answer, or undefined if the request went on to an origin. */
  async #decide(
    request: IncomingMessage,
    response: ServerResponse,
    scheme: "http" | "https",
    ray: string,
    upgrade?: Upgrade,
  ): Promise<Answer | undefined> {
    const edge = this.#parts.feed.current;
    const name = hostOf(request);
    if (edge === undefined) return errorAnswer(request, 503, "The edge has no configuration yet", ray);
    if (name === undefined) return errorAnswer(request, 400, "The request names no host, or several", ray);
    const url = request.url ?? "/";
    if (url.length > MAX_URL) return errorAnswer(request, 414, "URI Too Long", ray);
    if (!url.startsWith("/")) return errorAnswer(request, 400, "Bad request", ray);
    const { host, port } = name;
    if (this.#misdirected(request, edge, host)) return errorAnswer(request, 421, "Misdirected request", ray);
    if (host === API_HOST) return this.#ranges(request, ray);

    const path = url.split("?")[0] ?? "/";
    const method = request.method ?? "GET";
    const address = addressOf(request);
    const visit: Visit = {
      edge,
      request,
      method,
      host,
      port,
      scheme,
      path,
      url,
      address,
      ray,
    };
    if (teamOf(edge.state, host) !== undefined) {
      return scheme === "http" ? redirect(`https://${host}${url}`) : this.#parts.access.team(visit);
    }
    const site = siteOf(edge.state, host, this.#resolve);
    // Cloudflare does not serve a name without a proxied record; only a forged request arrives here.
    if (site === "unknown") return errorAnswer(request, 409, "DNS resolution error", ray, 1001);
    if (site === "origin-dns") return errorAnswer(request, 530, "Origin DNS error", ray, 1016);
    // "CNAME Cross-User Banned"; the status is not documented.
    if (site === "cross-account") return errorAnswer(request, 403, "CNAME Cross-User Banned", ray, 1014);
    return this.#site(visit, site, response, upgrade);
  }

  async #site(visit: Visit, site: Site, response: ServerResponse, upgrade?: Upgrade): Promise<Answer | undefined> {
    const { edge, request, host, scheme, url, ray } = visit;
    if (scheme === "http" && setting(site.zone, "always_use_https") === "on") {
      return redirect(`https://${host}${url}`);
    }
    if (scheme === "https" && setting(site.zone, "ssl") === "off") return redirect(`http://${host}${url}`);

    const verdict = await this.#parts.access.guard(visit);
    if (!verdict.pass) return verdict.answer;
    if (visit.path.startsWith("/cdn-cgi/")) return errorAnswer(request, 404, "Not Found", ray);

    const facts: RequestFacts = {
      host,
      address: visit.address,
      scheme,
      ray,
      country: setting(site.zone, "ip_geolocation") === "on" ? "XX" : undefined,
    };
    const plan = originPlan(edge, site, host, scheme);
    const passage = { request, response, facts, plan, access: verdict.headers, cookies: verdict.cookies ?? [] };
    if (upgrade !== undefined && setting(site.zone, "websockets") === "on") {
      passWebsocket({ ...passage, ...upgrade }, this.#parts.pools, this.#parts.limits.readMs);
      return undefined;
    }
    const uploadLimit = Number(setting(site.zone, "max_upload") ?? 100) * this.#parts.limits.megabyte;
    await this.#proxy.pass({ ...passage, uploadLimit });
    return undefined;
  }

  /** Whether the TLS handshake named another customer's host. */
  #misdirected(request: IncomingMessage, edge: EdgeState, host: string): boolean {
    const named = (request.socket as { servername?: string | false }).servername;
    if (typeof named !== "string" || named === host) return false;
    const zone = zoneOf(edge.state, named);
    return zone === undefined || zone !== zoneOf(edge.state, host);
  }

  /** The one endpoint of the API that the edge serves: the address ranges, for hosts that refresh their firewall. */
  async #ranges(request: IncomingMessage, ray: string): Promise<Answer> {
    const path = request.url ?? "/";
    if (request.method !== "GET" || path.split("?")[0] !== "/client/v4/ips") {
      return errorAnswer(request, 404, "The sandbox serves only GET /client/v4/ips under this name", ray);
    }
    try {
      const { status, text } = await overSocket(this.#parts.apiSocket, "GET", path, 5000);
      return { status, headers: { "content-type": "application/json" }, body: text };
    } catch {
      return errorAnswer(request, 502, "The sandbox's API is not running", ray);
    }
  }
}
