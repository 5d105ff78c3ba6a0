// Passes a request to the origin and its answer back, as streams: nothing is buffered in memory or on disk.

import { once } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import http, { type ClientRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip } from "node:zlib";
import { errorAnswer, originErrorAnswer, send } from "./answers.ts";
import { headersToOrigin, headersToVisitor, type RequestFacts } from "./headers.ts";
import type { Limits } from "./limits.ts";
import { OriginError, type OriginPools } from "./origin.ts";
import type { OriginPlan } from "./origin-plan.ts";

/** One request on its way. */
export interface Passage {
  request: IncomingMessage;
  response: ServerResponse;
  facts: RequestFacts;
  plan: OriginPlan;
  /** Largest body in bytes; a larger one is answered with 413. */
  uploadLimit: number;
  /** What Access adds for the origin, if it ran. */
  access: Record<string, string> | undefined;
  /** Cookies that Access sets at the visitor. */
  cookies: string[];
}

/** How long to keep reading an upload that is too large, so that the answer is not lost in a reset. */
const LINGER_MS = 2000;

class TooLarge extends Error {}

/** The stream of an HTTP/2 request, which the compatibility layer gives beside the members of an HTTP/1 one. */
const http2Stream = (request: IncomingMessage): ServerHttp2Stream | undefined =>
  (request as { stream?: ServerHttp2Stream }).stream;

const hasBody = (request: IncomingMessage): boolean =>
  Number(request.headers["content-length"] ?? 0) > 0 ||
  request.headers["transfer-encoding"] !== undefined ||
  // HTTP/2 needs neither header: there, the stream itself says whether more is to come.
  http2Stream(request)?.endAfterHeaders === false;

/** Ends an upload after its answer was sent. */
function abandonUpload(request: IncomingMessage): void {
  request.resume();
  const stream = http2Stream(request);
  setTimeout(() => (stream === undefined ? request.socket.destroy() : stream.close()), LINGER_MS).unref();
}

/** Copies the visitor's body to the origin, as fast as the origin takes it. */
async function upload(passage: Passage, outgoing: ClientRequest, limits: Limits): Promise<void> {
  let total = 0;
  for await (const chunk of passage.request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    total += chunk.length;
    if (total > passage.uploadLimit) throw new TooLarge();
    if (outgoing.destroyed) return;
    if (outgoing.write(chunk)) continue;
    const signal = AbortSignal.any([AbortSignal.timeout(limits.writeMs), closing(outgoing)]);
    await once(outgoing, "drain", { signal }).catch(() => {
      if (!outgoing.destroyed) throw new OriginError(524, "the origin does not take what is sent");
    });
  }
  outgoing.end();
}

function closing(outgoing: ClientRequest): AbortSignal {
  const controller = new AbortController();
  outgoing.once("close", () => controller.abort());
  return controller.signal;
}

/** Undoes a compression that the visitor did not ask for: the edge asks every origin for gzip and br. */
function decoder(response: IncomingMessage, accepted: string): Transform | undefined {
  const coding = response.headers["content-encoding"]?.toLowerCase();
  if (coding === undefined || accepted.toLowerCase().includes(coding)) return undefined;
  if (coding === "gzip") return createGunzip();
  return coding === "br" ? createBrotliDecompress() : undefined;
}

function download(passage: Passage, incoming: IncomingMessage, done: () => void): void {
  const { request, response, facts, cookies } = passage;
  const headers = headersToVisitor(incoming, facts.ray, cookies);
  const empty = request.method === "HEAD" || incoming.statusCode === 204 || incoming.statusCode === 304;
  const decode = empty ? undefined : decoder(incoming, String(request.headers["accept-encoding"] ?? ""));
  if (decode !== undefined) {
    delete headers["content-encoding"];
    delete headers["content-length"];
  }
  response.writeHead(incoming.statusCode ?? 502, headers);
  response.flushHeaders();
  if (decode === undefined) pipeline(incoming, response, done);
  else pipeline(incoming, decode, response, done);
}

/** Answers, then keeps reading for a while, because a visitor who is still sending would miss the answer. */
function refuseUpload({ request, response, facts }: Passage): void {
  response.shouldKeepAlive = false;
  send(request, response, errorAnswer(request, 413, "Payload Too Large", facts.ray), facts.ray);
  abandonUpload(request);
}

/** What went wrong on the way to or from the origin, as a status. */
function statusOf(error: unknown): number {
  return error instanceof OriginError ? error.status : 520;
}

/** Carries requests to origins. */
export class Proxy {
  readonly #pools: OriginPools;
  readonly #limits: Limits;

  constructor(pools: OriginPools, limits: Limits) {
    this.#pools = pools;
    this.#limits = limits;
  }

  /** Passes one request on; resolves when it is over. Never rejects: failures are answered. */
  pass(passage: Passage): Promise<void> {
    const { request, response } = passage;
    if (Number(request.headers["content-length"] ?? 0) > passage.uploadLimit) {
      refuseUpload(passage);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      response.once("close", resolve);
      this.#attempt(passage, hasBody(request), true);
    });
  }

  /**
   * Sends the request. A kept connection may have been closed by the origin in the meantime; a request without a body
   * is then sent once more. One with a body cannot be, so it gets a connection of its own.
   */
  #attempt(passage: Passage, body: boolean, mayRetry: boolean): void {
    const { request, response, facts, plan } = passage;
    const headers = headersToOrigin(request, facts, passage.access);
    if (body && headers["content-length"] === undefined) headers["transfer-encoding"] = "chunked";
    const outgoing = http.request({
      agent: body ? this.#pools.single(plan) : this.#pools.agent(plan),
      method: request.method ?? "GET",
      path: request.url ?? "/",
      headers,
      setHost: false,
    });
    let answered = false;
    const leave = (): void => void outgoing.destroy();
    response.once("close", leave);

    const fail = (error: unknown): void => {
      response.off("close", leave);
      outgoing.destroy();
      if (answered || response.destroyed) {
        response.destroy();
        return;
      }
      answered = true;
      if (error instanceof TooLarge) refuseUpload(passage);
      else send(request, response, originErrorAnswer(request, statusOf(error), facts.ray), facts.ray);
    };

    outgoing.setTimeout(this.#limits.readMs, () => fail(new OriginError(524, "the origin says nothing")));
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      const stale = outgoing.reusedSocket && error.code === "ECONNRESET" && !answered;
      if (!stale || !mayRetry) return fail(error);
      response.off("close", leave);
      this.#attempt(passage, body, false);
    });
    outgoing.on("response", (incoming) => {
      answered = true;
      const early = body && !outgoing.writableFinished;
      if (early) response.shouldKeepAlive = false;
      download(passage, incoming, () => {
        if (early) abandonUpload(request);
      });
    });
    if (body) {
      upload(passage, outgoing, this.#limits).catch(fail);
    } else {
      request.resume();
      outgoing.end();
    }
  }
}
