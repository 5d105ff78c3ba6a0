import type { OutgoingHttpHeaders } from "node:http2";
import type { DeviceHeaders } from "../../../components/site-check/answers.ts";
import { EDGE, ORIGIN } from "../../../dev/sandbox/network/network.ts";
import { SITE } from "../support/world.ts";
import type { Ammunition } from "./ammunition.ts";
import type { Handshake, Shot } from "./attacker.ts";

/** One attack: a row of the table. */
export interface Attack {
  /** What the attacker sends; unique in its section. */
  name: string;
  /** From a stranger's address, or from one of Cloudflare's. */
  from: "out" | "edge";
  /** `path` is unique to this attack, so Immich's log shows if the attack reaches it. */
  shot: (ammunition: Ammunition, path: string) => Shot;
  /** The answer that keeps the site safe, as `summary` writes it. */
  gets: string;
  /** Why that answer is right. */
  why: string;
  /**
   * Only for requests that may reach Immich: headers as Immich must see them, undefined for those that it must not see.
   * Without it, the attack must not reach Immich.
   */
  sees?: Readonly<Record<string, string | undefined>>;
}

/** Path at which the sandbox's Immich returns the request as it arrived. */
export const MIRROR = "/api/debug/request";

/** Lines of HTTP/1, with the empty one at the end. */
export const lines = (...all: string[]): string => [...all, "", ""].join("\r\n");

/** A plain GET request for the site, with further headers. */
export const get = (path: string, ...headers: string[]): string =>
  lines(`GET ${path} HTTP/1.1`, `Host: ${SITE}`, "Connection: close", ...headers);

/** The two headers of a device. */
export const credentials = ({ clientId, clientSecret }: DeviceHeaders): string[] => [
  `CF-Access-Client-Id: ${clientId}`,
  `CF-Access-Client-Secret: ${clientSecret}`,
];

/** A request whose two body lengths disagree, with a second request hidden in the difference. */
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
 * Summarises an answer: the status of each response, and after the first one what distinguishes it from others with the
 * same status (nginx's reason, the edge's error code, `to the login`, or the page's title).
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
