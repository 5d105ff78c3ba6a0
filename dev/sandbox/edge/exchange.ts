// One request and its answer between the edge and an origin, in the form that HTTP/1.1 and HTTP/2 share.

import type { OutgoingHttpHeaders } from "node:http";
import type { Readable, Writable } from "node:stream";

/** A failure to get an answer from the origin, with the status that the visitor sees. */
export class OriginError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The beginning of a request: end-to-end headers only, the host name among them. */
export interface RequestHead {
  method: string;
  path: string;
  headers: OutgoingHttpHeaders;
}

/** The origin's answer; trailers and interim answers are dropped. */
export interface OriginAnswer {
  status: number;
  /** Names and values in turn, as they came; HTTP/2's pseudo headers among them. */
  rawHeaders: string[];
  /** Fails, instead of ending, where the answer is cut off. */
  body: Readable;
}

/**
 * Whether a request without an answer may be sent again: `always` where the origin says that it has done nothing with it,
 * `without-body` where a kept connection had gone, so that the origin has probably not seen it.
 */
export type Repeatable = "always" | "without-body" | "never";

/** What comes of an exchange: one answer or one failure; after an answer `failed` only repeats what its body says. */
export interface Outcome {
  answered(answer: OriginAnswer): void;
  failed(error: unknown, repeatable: Repeatable): void;
}

/** A request on its way. */
export interface Exchange {
  /** Takes the request's body; ended already where there is none. */
  outgoing: Writable;
  /** Ends it so that the origin cannot take a part of the body for the whole. */
  cancel(): void;
}

/** A connection, or a way to one, for one request. */
export interface Line {
  /** @param body whether a body follows. */
  send(head: RequestHead, body: boolean, outcome: Outcome): Exchange;
  /** Gives it back without a request. */
  release(): void;
}

/** The failure of an origin from which nothing has come for too long. */
export const silence = (): OriginError => new OriginError(524, "the origin says nothing");
