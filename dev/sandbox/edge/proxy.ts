// Passes a request to the origin and its answer back, as streams: nothing is buffered on disk, nor in memory beyond the
// beginning of an upload.

import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip } from "node:zlib";
import { errorAnswer, originErrorAnswer, send } from "./answers.ts";
import { type Exchange, type Line, type OriginAnswer, OriginError, type RequestHead } from "./exchange.ts";
import { headersToOrigin, headersToVisitor, type RequestFacts, valuesOf } from "./headers.ts";
import type { Limits } from "./limits.ts";
import type { OriginPools } from "./origin.ts";
import type { OriginPlan } from "./origin-plan.ts";
import { abandonUpload, hasBody, TooLarge, Upload } from "./upload.ts";

/** How often a request is sent again: a reload of the origin can end several kept connections one after another. */
const REPEATS = 2;

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

/** Undoes a compression that the visitor did not ask for: the edge asks every origin for gzip and br. */
function decoder(answer: OriginAnswer, accepted: string): Transform | undefined {
  const coding = valuesOf(answer, "content-encoding").at(-1)?.toLowerCase();
  if (coding === undefined || accepted.toLowerCase().includes(coding)) return undefined;
  if (coding === "gzip") return createGunzip();
  return coding === "br" ? createBrotliDecompress() : undefined;
}

function download(passage: Passage, answer: OriginAnswer, done: () => void): void {
  const { request, response, facts, cookies } = passage;
  const headers = headersToVisitor(answer, facts.ray, cookies);
  const empty = request.method === "HEAD" || answer.status === 204 || answer.status === 304;
  const decode = empty ? undefined : decoder(answer, String(request.headers["accept-encoding"] ?? ""));
  if (decode !== undefined) {
    delete headers["content-encoding"];
    delete headers["content-length"];
  }
  response.writeHead(answer.status, headers);
  response.flushHeaders();
  if (decode === undefined) pipeline(answer.body, response, done);
  else pipeline(answer.body, decode, response, done);
}

/** Answers, then keeps reading for a while, because a visitor who is still sending would miss the answer. */
function refuseUpload({ request, response, facts }: Passage): void {
  response.shouldKeepAlive = false;
  send(request, response, errorAnswer(request, 413, "Payload Too Large", facts.ray), facts.ray);
  abandonUpload(request);
}

/** Answers with what went wrong on the way to or from the origin. */
function refuse(passage: Passage, error: unknown): void {
  const { request, response, facts } = passage;
  if (error instanceof TooLarge) return refuseUpload(passage);
  const status = error instanceof OriginError ? error.status : 520;
  send(request, response, originErrorAnswer(request, status, facts.ray), facts.ray);
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
      const upload = hasBody(request) ? new Upload(request, passage.uploadLimit, this.#limits.writeMs) : undefined;
      if (upload === undefined) request.resume();
      void this.#attempt(passage, upload, REPEATS);
    });
  }

  async #attempt(passage: Passage, upload: Upload | undefined, repeats: number): Promise<void> {
    try {
      const line = await this.#pools.line(passage.plan, upload !== undefined || repeats === 0);
      if (passage.response.destroyed) line.release();
      else this.#exchange(line, passage, upload, repeats);
    } catch (error) {
      refuse(passage, error);
    }
  }

  /**
   * Sends the request. A kept connection may have been closed by the origin in the meantime, and an origin may refuse a
   * stream; the request is then sent again.
   */
  #exchange(line: Line, passage: Passage, upload: Upload | undefined, repeats: number): void {
    const { request, response, facts } = passage;
    const head: RequestHead = {
      method: request.method ?? "GET",
      path: request.url ?? "/",
      headers: headersToOrigin(request, facts, passage.access),
    };
    let isAnswered = false;
    let isOver = false;
    const leave = (): void => {
      isOver = true;
      exchange.cancel();
    };
    const fail = (error: unknown): void => {
      if (isOver) return;
      response.off("close", leave);
      leave();
      if (isAnswered) response.destroy();
      else refuse(passage, error);
    };
    const exchange: Exchange = line.send(head, upload !== undefined, {
      answered: (answer) => {
        if (isOver) return;
        isAnswered = true;
        const early = upload !== undefined && !exchange.outgoing.writableFinished;
        if (early) response.shouldKeepAlive = false;
        download(passage, answer, () => {
          if (early) abandonUpload(request);
        });
      },
      failed: (error, repeatable) => {
        const again = repeatable === "always" ? upload?.canRepeat !== false : repeatable === "without-body" && !upload;
        if (isOver || isAnswered || !again || repeats === 0) return fail(error);
        isOver = true;
        response.off("close", leave);
        void this.#attempt(passage, upload, repeats - 1);
      },
    });
    response.once("close", leave);
    upload?.sendTo(exchange.outgoing).catch(fail);
  }
}
