// HTTP/2 to an origin: one connection for many requests at once.

import { once } from "node:events";
import type { OutgoingHttpHeaders } from "node:http";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { pipeline, type Readable, Transform } from "node:stream";
import type { TLSSocket } from "node:tls";
import {
  type Exchange,
  type Line,
  OriginError,
  type Outcome,
  type Repeatable,
  type RequestHead,
  silence,
} from "./exchange.ts";
import { HTTP2_MEMORY, type Limits } from "./limits.ts";

const { NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = http2.constants;

/** A request's headers: the host name goes into a pseudo header. */
function pseudo({ method, path, headers }: RequestHead): OutgoingHttpHeaders {
  const { host, ...rest } = headers;
  return { ":method": method, ":scheme": "https", ":authority": String(host), ":path": path, ...rest };
}

/** The body of an answer. Node ends it also where the stream was reset or the connection lost; this one fails then. */
function whole(stream: ClientHttp2Stream, length: number | undefined): Readable {
  let total = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      total += chunk.length;
      done(null, chunk);
    },
    flush(done) {
      const isCut = stream.rstCode !== NGHTTP2_NO_ERROR || (length !== undefined && length !== total);
      done(isCut ? new Error("the origin's answer was cut off") : null);
    },
  });
  return pipeline(stream, check, () => undefined);
}

/** A connection on which requests are streams. */
export class OriginSession implements Line {
  readonly #session: ClientHttp2Session;
  readonly #limits: Limits;
  #taken = 0;

  private constructor(session: ClientHttp2Session, limits: Limits) {
    this.#session = session;
    this.#limits = limits;
  }

  /**
   * Begins to speak HTTP/2 on a connection that has negotiated it. Waits for the origin's settings, which say how many
   * streams it takes.
   * @throws OriginError
   */
  static async start(socket: TLSSocket, host: string, limits: Limits): Promise<OriginSession> {
    const session = http2.connect(`https://${host}`, {
      createConnection: () => socket,
      settings: { enablePush: false },
      maxSessionMemory: HTTP2_MEMORY,
    });
    const ended = new AbortController();
    session.on("error", (error) => ended.abort(error));
    session.once("close", () => ended.abort());
    session.setTimeout(limits.idleMs, () => session.close());
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(limits.connectMs)]);
    try {
      await once(session, "remoteSettings", { signal });
    } catch (error) {
      session.destroy();
      throw new OriginError(520, `HTTP/2 does not begin: ${String((error as Error).cause ?? error)}`);
    }
    return new OriginSession(session, limits);
  }

  /** Takes a place for one request, if there is one; `release` gives it back, and so does the end of the request. */
  reserve(): boolean {
    const most = Math.min(this.#limits.streams, this.#session.remoteSettings.maxConcurrentStreams ?? Infinity);
    if (!this.isOpen || this.#taken >= most) return false;
    this.#taken += 1;
    return true;
  }

  /** Whether it takes requests at all: the origin has not announced its end, and it has not been retired. */
  get isOpen(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  send(head: RequestHead, body: boolean, outcome: Outcome): Exchange {
    const stream = this.#session.request(pseudo(head), { endStream: !body });
    let isAnswered = false;
    const fail = (error: unknown): void => outcome.failed(error, this.#repeatable(stream, isAnswered));
    stream.on("response", (headers, _flags, rawHeaders: string[]) => {
      isAnswered = true;
      const status = headers[":status"] ?? 502;
      const length = head.method === "HEAD" || status === 304 ? undefined : headers["content-length"];
      const body = whole(stream, length === undefined ? undefined : Number(length));
      outcome.answered({ status, rawHeaders, body });
    });
    stream.on("error", fail);
    stream.once("close", () => {
      this.release();
      if (!isAnswered) fail(new Error(`the origin reset the request (${stream.rstCode})`));
    });
    stream.setTimeout(this.#limits.readMs, () => {
      // The host at the other end may be gone: the next request gets another connection.
      this.retire();
      outcome.failed(silence(), "never");
    });
    return { outgoing: stream, cancel: () => cancel(stream) };
  }

  #repeatable(stream: ClientHttp2Stream, isAnswered: boolean): Repeatable {
    if (isAnswered) return "never";
    // Also the code for requests that came after the last one that a GOAWAY names.
    if (stream.rstCode === NGHTTP2_REFUSED_STREAM) return "always";
    return this.#session.destroyed ? "without-body" : "never";
  }

  release(): void {
    this.#taken -= 1;
  }

  /** Lets running requests finish and takes no more. */
  retire(): void {
    this.#session.close();
  }

  /** Drops the connection. */
  destroy(): void {
    this.#session.destroy();
  }
}

/**
 * Resets a stream. `close` would end the body in good order first, and the origin could take a part of an upload for
 * the whole.
 */
function cancel(stream: ClientHttp2Stream): void {
  if (!stream.closed) stream.destroy(new Error("the edge has given the request up"));
}
