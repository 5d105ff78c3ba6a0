// What the edge does to headers on the way to the origin and back.

import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";

const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** Headers that only the edge may set; a visitor's own are dropped. */
const EDGE_ONLY = new Set([
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "cf-pseudo-ipv4",
  "cf-ew-via",
  "cf-ipcountry",
  "cf-ray",
  "cf-visitor",
  "cf-worker",
  "accept-encoding",
  "cdn-loop",
  "expect",
  "host",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-real-ip",
]);

/** A message's headers as they came: names and values in turn. */
type Message = Pick<IncomingMessage, "rawHeaders">;

/** Name and value pairs as they came, without HTTP/2's pseudo headers; names in lower case. */
function* pairs(message: Message): Generator<[string, string]> {
  for (let index = 0; index + 1 < message.rawHeaders.length; index += 2) {
    const name = (message.rawHeaders[index] ?? "").toLowerCase();
    if (!name.startsWith(":")) yield [name, message.rawHeaders[index + 1] ?? ""];
  }
}

/** All values of one header, each as it was sent. */
export function valuesOf(message: Message, name: string): string[] {
  return [...pairs(message)].filter(([own]) => own === name).map(([, value]) => value);
}

/** Cookies of a request; of several with one name the first counts. */
export function cookiesOf(message: Message): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const part of valuesOf(message, "cookie").join("; ").split(/; */)) {
    const split = part.indexOf("=");
    const name = part.slice(0, split);
    if (split > 0 && !cookies.has(name)) cookies.set(name, part.slice(split + 1));
  }
  return cookies;
}

function namedByConnection(message: Message): Set<string> {
  const named = valuesOf(message, "connection").join(",").toLowerCase();
  return new Set(named.split(",").map((name) => name.trim()));
}

function collect(headers: Iterable<[string, string]>): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {};
  for (const [name, value] of headers) {
    const before = all[name];
    all[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return all;
}

/** What the edge knows about a request. */
export interface RequestFacts {
  /** Host name without port. */
  host: string;
  /** The visitor's address. */
  address: string;
  scheme: "http" | "https";
  ray: string;
  /** Two letters, or undefined where the zone's IP geolocation is off. */
  country: string | undefined;
}

/**
 * The headers for the origin.
 *
 * @param access what Access adds, or undefined where Access did not run for this request: then a visitor's own
 *   Cf-Access-* headers pass unchanged, which an origin must expect.
 */
export function headersToOrigin(
  request: Message,
  facts: RequestFacts,
  access: Record<string, string> | undefined,
): OutgoingHttpHeaders {
  const named = namedByConnection(request);
  const kept = [...pairs(request)].filter(
    ([name]) =>
      !HOP_BY_HOP.has(name) &&
      !named.has(name) &&
      !EDGE_ONLY.has(name) &&
      !(access !== undefined && name.startsWith("cf-access-")),
  );
  const chain = [...valuesOf(request, "x-forwarded-for"), facts.address].join(", ");
  return {
    host: facts.host,
    ...collect(kept),
    "accept-encoding": "gzip, br",
    "cdn-loop": ["cloudflare", ...valuesOf(request, "cdn-loop")].reverse().join(", "),
    "cf-connecting-ip": facts.address,
    ...(facts.country === undefined ? {} : { "cf-ipcountry": facts.country }),
    "cf-ray": facts.ray,
    "cf-visitor": JSON.stringify({ scheme: facts.scheme }),
    "x-forwarded-for": chain,
    "x-forwarded-proto": facts.scheme,
    ...access,
  };
}

/** The headers for the visitor, with cookies that Access sets. */
export function headersToVisitor(response: Message, ray: string, cookies: string[]): OutgoingHttpHeaders {
  const named = namedByConnection(response);
  const kept = [...pairs(response)].filter(
    ([name]) => !HOP_BY_HOP.has(name) && !named.has(name) && name !== "server" && name !== "alt-svc",
  );
  const all = collect(kept);
  if (cookies.length > 0) {
    const own = all["set-cookie"] ?? [];
    all["set-cookie"] = [...(Array.isArray(own) ? own : [own]), ...cookies];
  }
  return { "cf-cache-status": "DYNAMIC", ...all, server: "cloudflare", "cf-ray": ray };
}
