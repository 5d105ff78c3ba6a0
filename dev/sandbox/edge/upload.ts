// The visitor's body on its way to the origin, as fast as the origin takes it.

import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import type { Writable } from "node:stream";
import { OriginError } from "./exchange.ts";

/** The body is larger than the zone's limit. */
export class TooLarge extends Error {}

/** How long to keep reading an upload that nobody wants, so that the answer is not lost in a reset. */
const LINGER_MS = 2000;

/**
 * So much of a body is kept to be sent again. An origin that refuses a stream has opened its window no further than the
 * usual 64 KiB; the rest is what Node has taken meanwhile.
 */
const REPLAY_BYTES = 262_144;

/** The stream of an HTTP/2 request, which the compatibility layer gives beside the members of an HTTP/1 one. */
const http2Stream = (request: IncomingMessage): ServerHttp2Stream | undefined =>
  (request as { stream?: ServerHttp2Stream }).stream;

/** Whether a visitor's request has a body. */
export const hasBody = (request: IncomingMessage): boolean =>
  Number(request.headers["content-length"] ?? 0) > 0 ||
  request.headers["transfer-encoding"] !== undefined ||
  // HTTP/2 needs neither header: there, the stream itself says whether more is to come.
  http2Stream(request)?.endAfterHeaders === false;

/** Ends an upload after its answer was sent. */
export function abandonUpload(request: IncomingMessage): void {
  request.resume();
  const stream = http2Stream(request);
  setTimeout(() => (stream === undefined ? request.socket.destroy() : stream.close()), LINGER_MS).unref();
}

/** A visitor's body. Its beginning is kept, so that a request which the origin has refused can be sent again. */
export class Upload {
  readonly #chunks: AsyncIterator<Buffer, undefined>;
  readonly #limit: number;
  readonly #writeMs: number;
  #next: Promise<Buffer | undefined> | undefined;
  #kept: Buffer[] = [];
  #total = 0;

  /**
   * @param limit in bytes.
   * @param writeMs for the origin to take what is sent.
   */
  constructor(request: IncomingMessage, limit: number, writeMs: number) {
    const iterable = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer, undefined>;
    this.#chunks = iterable[Symbol.asyncIterator]();
    this.#limit = limit;
    this.#writeMs = writeMs;
  }

  /** Whether all that was read of it is still there. */
  get canRepeat(): boolean {
    return this.#total <= REPLAY_BYTES;
  }

  /**
   * Sends all of it, from the beginning; returns early if the origin no longer takes it.
   * @throws TooLarge, OriginError
   */
  async sendTo(outgoing: Writable): Promise<void> {
    if (!this.canRepeat) throw new OriginError(520, "the origin refused an upload that cannot be sent again");
    for (let index = 0; ; index += 1) {
      const chunk = this.#kept[index] ?? (await (this.#next ??= this.#read()));
      if (outgoing.destroyed || outgoing.writableEnded) return;
      if (chunk === undefined) break;
      if (!outgoing.write(chunk)) await this.#drained(outgoing);
    }
    outgoing.end();
  }

  /** Reads on. A second sender may be waiting for the same chunk as the one before it. */
  async #read(): Promise<Buffer | undefined> {
    const { done, value } = await this.#chunks.next();
    if (done === true) return undefined;
    this.#next = undefined;
    this.#total += value.length;
    if (this.canRepeat) this.#kept.push(value);
    else this.#kept = [];
    if (this.#total > this.#limit) throw new TooLarge();
    return value;
  }

  async #drained(outgoing: Writable): Promise<void> {
    const closed = new AbortController();
    const abort = (): void => closed.abort();
    outgoing.once("close", abort);
    const signal = AbortSignal.any([AbortSignal.timeout(this.#writeMs), closed.signal]);
    try {
      await once(outgoing, "drain", { signal });
    } catch {
      if (!outgoing.destroyed) throw new OriginError(524, "the origin does not take what is sent");
    } finally {
      outgoing.off("close", abort);
    }
  }
}
