// Passes a websocket to the origin: the handshake as a request, then bytes both ways.

import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { originErrorAnswer, send } from "./answers.ts";
import { OriginError } from "./exchange.ts";
import { headersToOrigin, headersToVisitor, type RequestFacts } from "./headers.ts";
import type { OriginPools } from "./origin.ts";
import type { OriginPlan } from "./origin-plan.ts";

/** A visitor's websocket handshake. */
export interface Handshake {
  request: IncomingMessage;
  /** For an origin that answers something else than 101. */
  response: ServerResponse;
  socket: Duplex;
  /** What the visitor has already sent after the request. */
  head: Buffer;
  facts: RequestFacts;
  plan: OriginPlan;
  access: Record<string, string> | undefined;
  cookies: string[];
}

function join(near: Duplex, far: Duplex): void {
  near.pipe(far);
  far.pipe(near);
  const end = (): void => {
    near.destroy();
    far.destroy();
  };
  for (const side of [near, far]) {
    side.on("error", end);
    side.on("close", end);
  }
}

function accept(handshake: Handshake, incoming: IncomingMessage, far: Socket, farHead: Buffer): void {
  const { socket, head, facts, cookies } = handshake;
  const headers = headersToVisitor(incoming, facts.ray, cookies);
  const lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"];
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${String(one)}`);
  }
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (farHead.length > 0) socket.write(farHead);
  if (head.length > 0) far.write(head);
  far.setTimeout(0);
  (socket as Socket).setTimeout(0);
  join(socket, far);
}

/** Carries the handshake to the origin. Failures are answered; never rejects. */
export function passWebsocket(handshake: Handshake, pools: OriginPools, readMs: number): void {
  const { request, response, socket, facts, plan } = handshake;
  const outgoing = http.request({
    agent: pools.single(plan),
    method: "GET",
    path: request.url ?? "/",
    headers: { ...headersToOrigin(request, facts, handshake.access), connection: "Upgrade", upgrade: "websocket" },
    setHost: false,
  });
  const fail = (error: unknown): void => {
    outgoing.destroy();
    const status = error instanceof OriginError ? error.status : 520;
    send(request, response, originErrorAnswer(request, status, facts.ray), facts.ray);
  };
  const leave = (): void => void outgoing.destroy();
  socket.once("close", leave);
  outgoing.setTimeout(readMs, () => fail(new OriginError(524, "the origin says nothing")));
  outgoing.on("error", fail);
  outgoing.on("upgrade", (incoming, far: Socket, farHead) => {
    response.detachSocket(socket as Socket);
    socket.off("close", leave);
    accept(handshake, incoming, far, farHead);
  });
  outgoing.on("response", (incoming) => {
    response.writeHead(incoming.statusCode ?? 502, headersToVisitor(incoming, facts.ray, handshake.cookies));
    incoming.pipe(response);
    incoming.on("error", () => response.destroy());
  });
  outgoing.end();
}
