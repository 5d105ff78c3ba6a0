// Visits to a site with the token check, with a token or without one.

import { once } from "node:events";
import WebSocket from "ws";
import { type Origin, SITE } from "./origin.ts";

/** What a visit came to. */
export interface Visit {
  status: number;
  /** Whether it has reached Immich. */
  reached: boolean;
}

/** A visit that the token check admitted. */
export const IN: Visit = { status: 200, reached: true };
/** One that it refused. */
export const OUT: Visit = { status: 403, reached: false };
/** One for which nobody could be asked. */
export const DOWN: Visit = { status: 500, reached: false };

/** Sends a request, with a token if there is one. */
export async function visitOrigin(origin: Origin, token?: string): Promise<Visit> {
  const before = origin.requests;
  const headers = token === undefined ? {} : { "cf-access-jwt-assertion": token };
  const { status } = await origin.get("/api/server/ping", { headers });
  return { status, reached: origin.requests > before };
}

/** Opens a websocket; rejects with the status of a refusal. */
export async function openWebsocketTo(origin: Origin, headers: Record<string, string>): Promise<WebSocket> {
  const socket = await origin.connect();
  const opening = new WebSocket(`ws://${SITE}/api/socket.io/`, { createConnection: () => socket, headers });
  await once(opening, "open");
  return opening;
}
