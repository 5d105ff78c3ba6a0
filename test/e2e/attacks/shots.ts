import type { OutgoingHttpHeaders } from "node:http2";
import type { DeviceHeaders } from "../../../components/site-check/answers.ts";
import { EDGE, ORIGIN } from "../../../dev/sandbox/network/network.ts";
import { SITE } from "../support/world.ts";
import type { Ammunition } from "./ammunition.ts";
import type { Handshake, Shot } from "./attacker.ts";

/** One attack: a row of the table. */
export interface Attack {
  /** Who does what; unique. */
  name: string;
  /** From a stranger's address, or from one of Cloudflare's. */
  from: "out" | "edge";
  /** `path` is this attack's own: whatever asks for it and reaches Immich is found in Immich's log. */
  shot: (ammunition: Ammunition, path: string) => Shot;
  /** The answer, as `summary` tells it, that keeps the site safe. */
  gets: string;
  /** Why that is the right answer. */
  why: string;
  /**
   * Only for requests that may reach Immich: headers as Immich must see them, undefined for those that it must not.
   * Without it, nothing of the attack may reach Immich.
   */
  sees?: Readonly<Record<string, string | undefined>>;
}

/** Path under which the sandbox's Immich shows the request as it arrived there. */
export const MIRROR = "/api/debug/request";

/** Lines of HTTP/1, with the empty one at the end. */
export const lines = (...all: string[]): string => [...all, "", ""].join("\r\n");

/** A usual request for the site, with more headers. */
export const get = (path: string, ...headers: string[]): string =>
  lines(`GET ${path} HTTP/1.1`, `Host: ${SITE}`, "Connection: close", ...headers);

/** The two headers of a device. */
export const credentials = ({ clientId, clientSecret }: DeviceHeaders): string[] => [
  `CF-Access-Client-Id: ${clientId}`,
  `CF-Access-Client-Secret: ${clientSecret}`,
];

/** A request in which the two ways of telling a body's length disagree, with another request in what is between them. */
export function smuggled(kind: "CL.TE" | "TE.CL", path: string, ...headers: string[]): string {
  const inner = lines(`GET ${path}smuggled HTTP/1.1`, `Host: ${SITE}`, "Content-Length: 5");
  const body = kind === "CL.TE" ? `0\r\n\r\n${inner}` : `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
  const length = kind === "CL.TE" ? body.length : 4;
  const head = [`POST ${path} HTTP/1.1`, `Host: ${SITE}`, ...headers];
  return lines(...head, `Content-Length: ${length}`, "Transfer-Encoding: chunked") + body;
}

/** TLS to the host. */
export const toHost = (send: string | OutgoingHttpHeaders, handshake: Handshake = {}): Shot => ({
  address: ORIGIN.ipv4,
  port: 443,
  tls: { servername: SITE, ...handshake },
  send,
});

/** TLS to the site's address at Cloudflare. */
export const toEdge = (send: string | OutgoingHttpHeaders, handshake: Handshake = {}): Shot => ({
  ...toHost(send, handshake),
  address: EDGE.ipv4,
});

/**
 * An answer in a few words: the status of each response, and behind the first one what tells it apart from others with
 * the same status (nginx's reason, the edge's error code, `to the login`, or the page's title).
 */
export function summary(answer: string): string {
  const statuses = [...answer.matchAll(/^HTTP\/[\d.]+ (\d{3}) /gm)].map(([, status]) => status ?? "");
  const [first, ...others] = statuses;
  if (first === undefined) return answer;
  const detail = /^location: \S+\/cdn-cgi\/access\/login\//im.test(answer)
    ? "to the login"
    : (/<title>(?:\d{3} )?([^<:]+)/.exec(answer)?.[1] ?? /error code: \d+/.exec(answer)?.[0] ?? "");
  return [`${first} ${detail}`.trim(), ...others].join(", ");
}
