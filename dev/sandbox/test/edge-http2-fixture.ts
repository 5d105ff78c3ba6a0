// An edge with an origin in Node that speaks HTTP/2 and HTTP/1.1, for tests.

import http2, { type Http2SecureServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { HTTP2_MEMORY, type Limits } from "../edge/limits.ts";
import { type Fixture, type Got, openRequest, startFixtureWith } from "./edge-fixture.ts";

/** What the origin does with one request. */
export type Answer = (
  stream: ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  session: ServerHttp2Session,
) => void;

/** The fixture of the last `start`. */
export let fixture: Fixture<Http2SecureServer>;
/** The connections that its origin has had. */
export let sessions: ServerHttp2Session[];

/** Starts everything with an origin that speaks both versions. */
export async function start(
  answer: Answer,
  limits: Partial<Limits> = {},
  settings: http2.Settings = {},
): Promise<void> {
  sessions = [];
  fixture = await startFixtureWith((options) => {
    const server = http2.createSecureServer({ ...options, allowHTTP1: true, settings, maxSessionMemory: HTTP2_MEMORY });
    server.on("session", (session) => {
      sessions.push(session.on("error", () => undefined));
      session.on("stream", (stream, headers) => {
        stream.on("error", () => undefined);
        answer(stream, headers, session);
      });
    });
    return server.on("request", (request, response) => {
      if (request.httpVersion === "1.1") response.end("over 1.1");
    });
  }, limits);
}

/** Takes the body and answers 200 with the number of the stream. */
export const ok: Answer = (stream) => {
  stream.resume().on("end", () => {
    stream.respond({ ":status": 200 });
    stream.end(String(stream.id));
  });
};

/** Requests of visitors at once. */
export const visits = (count: number): Promise<Got[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => fixture.visit(`/${index}`)));

/** The statuses that came. */
export const statuses = (got: Got[]): number[] => [...new Set(got.map(({ status }) => status))];

/** A visitor's request that is not yet ended. */
export function begin(method: string, path = "/", headers: Record<string, string> = {}) {
  return openRequest(fixture, { method, path, headers }).on("error", () => undefined);
}
