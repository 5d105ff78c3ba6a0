import { STRANGER } from "../../../dev/sandbox/network/network.ts";
import { SITE } from "../support/world.ts";
import type { Ammunition } from "./ammunition.ts";
import { type Attack, get, lines, MIRROR, smuggled, toHost } from "./shots.ts";

/** Sends as Cloudflare's edge does, with our client certificate. */
const asEdge = ({ certificates: { own } }: Ammunition, send: string) => toHost(send, { client: own });
const passed = ({ jwts: { device } }: Ammunition) => `Cf-Access-Jwt-Assertion: ${device}`;

/**
 * Requests that the host would receive if Cloudflare's edge forwarded malformed ones of someone who passed Access. nginx
 * must interpret them as Immich does, or refuse them.
 */
export const FORWARDED: readonly Attack[] = [
  // --- around Access: its application was deleted by hand, or a DNS record bypasses it ------------------------------
  {
    name: "no Access token",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path)),
    gets: "403 Forbidden",
    why: "the host verifies itself that a request passed Access",
  },
  {
    name: "a token signed with another key",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cf-Access-Jwt-Assertion: ${all.jwts.forged}`)),
    gets: "403 Forbidden",
    why: "the signature does not match any of the team's keys",
  },
  {
    name: "a token without a signature (alg none)",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cf-Access-Jwt-Assertion: ${all.jwts.unsigned}`)),
    gets: "403 Forbidden",
    why: "the verifier accepts RS256 only",
  },
  {
    name: "an expired token",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cf-Access-Jwt-Assertion: ${all.jwts.expired}`)),
    gets: "403 Forbidden",
    why: "the verifier allows one minute of clock skew",
  },
  {
    name: "a token for another application",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cf-Access-Jwt-Assertion: ${all.jwts.otherApplication}`)),
    gets: "403 Forbidden",
    why: "its audience does not match",
  },
  {
    name: "a valid token in the cookie only",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cookie: CF_Authorization=${all.jwts.person}`)),
    gets: "403 Forbidden",
    why: "a visitor can set cookies; only Access sets the header",
  },
  {
    name: "the URL that nginx uses for the token check",
    from: "edge",
    shot: (all) => asEdge(all, get("/.immich-access/token", passed(all))),
    gets: "404 Not Found",
    why: "the location is internal to nginx",
  },
  // --- ambiguous requests --------------------------------------------------------------------------------------------
  {
    name: "request smuggling (CL.TE)",
    from: "edge",
    shot: (all, path) => asEdge(all, smuggled("CL.TE", path, passed(all))),
    gets: "400 Bad Request",
    why: "RFC 9112, section 6.3: Content-Length together with Transfer-Encoding may be an attack",
  },
  {
    name: "request smuggling (TE.CL)",
    from: "edge",
    shot: (all, path) => asEdge(all, smuggled("TE.CL", path, passed(all))),
    gets: "400 Bad Request",
    why: "RFC 9112, section 6.3",
  },
  {
    name: "a header folded over two lines (obs-fold)",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "X-A: b", " Transfer-Encoding: chunked")),
    gets: "400 Bad Request",
    why: "RFC 9112, section 5.2",
  },
  {
    name: "a space before a header's colon",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "Transfer-Encoding : chunked")),
    gets: "400 Bad Request",
    why: "RFC 9112, section 5.1",
  },
  {
    name: "an obfuscated Transfer-Encoding: chunked",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "Transfer-Encoding: \vchunked")),
    gets: "501 Not Implemented",
    why: "RFC 9112, section 6.1",
  },
  {
    name: "two Content-Length headers",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "Content-Length: 0", "Content-Length: 5")),
    gets: "400 Bad Request",
    why: "RFC 9112, section 6.3",
  },
  {
    name: "two Host headers",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "Host: other.home.localhost")),
    gets: "400 Bad Request",
    why: "RFC 9112, section 3.2",
  },
  {
    name: "a Host that differs from the server name in the TLS handshake",
    from: "edge",
    shot: (all, path) => asEdge(all, lines(`GET ${path} HTTP/1.1`, "Host: other.home.localhost", passed(all))),
    gets: "closed",
    why: "nginx's server for unknown names closes the connection",
  },
  {
    name: "another host name in the request line",
    from: "edge",
    shot: (all, path) =>
      asEdge(all, lines(`GET https://other.home.localhost${path} HTTP/1.1`, `Host: ${SITE}`, passed(all))),
    gets: "closed",
    why: "RFC 9112, section 3.2.2: the request line takes precedence over Host",
  },
  {
    name: "CONNECT",
    from: "edge",
    shot: (all) => asEdge(all, lines("CONNECT 127.0.0.1:2283 HTTP/1.1", "Host: 127.0.0.1:2283", passed(all))),
    gets: "400 Bad Request",
    why: "nginx is not a forward proxy",
  },
  {
    name: "TRACE",
    from: "edge",
    shot: (all, path) => asEdge(all, lines(`TRACE ${path} HTTP/1.1`, `Host: ${SITE}`, passed(all))),
    gets: "405 Not Allowed",
    why: "the response would reveal request headers to scripts",
  },
  {
    name: "a NUL byte in the path",
    from: "edge",
    shot: (all, path) => asEdge(all, get(`${path}%00.jpg`, passed(all))),
    gets: "400 Bad Request",
    why: "some programs end the path there, others do not",
  },
  {
    name: "a path above the root",
    from: "edge",
    shot: (all, path) => asEdge(all, get(`/..${path}`, passed(all))),
    gets: "400 Bad Request",
    why: "nginx refuses a path above the root",
  },
  {
    name: "64 KB of headers",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), ...Array<string>(8).fill(`X-A: ${"a".repeat(8000)}`))),
    gets: "400 Request Header Or Cookie Too Large",
    why: "nginx accepts 32 KB, as Cloudflare does",
  },
  {
    name: "another host name over HTTP/2",
    from: "edge",
    shot: (all, path) =>
      toHost(
        { ":path": path, ":authority": "other.home.localhost", "cf-access-jwt-assertion": all.jwts.device },
        { client: all.certificates.own },
      ),
    gets: "closed",
    why: "nginx's server for unknown names closes the connection",
  },
  {
    name: "two different host names over HTTP/2",
    from: "edge",
    shot: (all, path) =>
      toHost(
        { ":path": path, ":authority": SITE, host: "other.home.localhost", "cf-access-jwt-assertion": all.jwts.device },
        { client: all.certificates.own },
      ),
    gets: "400 Bad Request",
    why: "RFC 9113, section 8.3.1",
  },
  {
    name: "an upgrade to cleartext HTTP/2",
    from: "edge",
    shot: (all) =>
      asEdge(
        all,
        lines(
          `GET ${MIRROR} HTTP/1.1`,
          `Host: ${SITE}`,
          "Connection: Upgrade, HTTP2-Settings",
          "Upgrade: h2c",
          "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
          passed(all),
        ),
      ),
    gets: "200",
    sees: { upgrade: undefined, connection: "close" },
    why: "nginx forwards only upgrades to websocket, because it does not inspect an upgraded connection",
  },
  {
    name: "the site's name in upper case, with a trailing dot",
    from: "edge",
    shot: (all) => asEdge(all, lines(`GET ${MIRROR} HTTP/1.1`, `Host: ${SITE.toUpperCase()}.`, passed(all))),
    gets: "200",
    sees: { host: SITE },
    why: "it is the same name, and nginx passes one form of it to Immich",
  },
  {
    name: "the site's name in the request line, another one in Host",
    from: "edge",
    shot: (all) =>
      asEdge(all, lines(`GET https://${SITE}${MIRROR} HTTP/1.1`, "Host: other.home.localhost", passed(all))),
    gets: "200",
    sees: { host: SITE },
    why: "RFC 9112, section 3.2.2: nginx ignores Host, and Immich must not see it",
  },
  {
    name: "a visitor's token, in the header and in the cookie of Access",
    from: "edge",
    shot: (all) => asEdge(all, get(MIRROR, passed(all), `Cookie: a=1; CF_Authorization=${all.jwts.person}; b=2`)),
    gets: "200",
    sees: { "cf-access-jwt-assertion": undefined, cookie: "a=1; b=2" },
    why: "whoever listens on Immich's port while Immich is stopped could open the site with it",
  },
  {
    name: "header names with underscores instead of hyphens",
    from: "edge",
    shot: (all) => asEdge(all, get(MIRROR, passed(all), "CF_Connecting_IP: 192.0.2.1", "X_Forwarded_For: 192.0.2.1")),
    gets: "200",
    sees: { cf_connecting_ip: undefined, x_forwarded_for: undefined, "x-real-ip": "173.245.48.10" },
    why: "nginx drops them, because some programs treat both forms alike",
  },
  {
    name: "forged headers about the visitor's address",
    from: "edge",
    shot: (all) =>
      asEdge(
        all,
        get(
          MIRROR,
          passed(all),
          `CF-Connecting-IP: ${STRANGER.ipv4}`,
          "X-Forwarded-For: 127.0.0.1",
          "X-Real-IP: 127.0.0.1",
          "X-Forwarded-Host: mallory.example",
          "X-Forwarded-Proto: http",
          "Forwarded: for=127.0.0.1",
        ),
      ),
    gets: "200",
    sees: {
      "x-forwarded-for": STRANGER.ipv4,
      "x-real-ip": STRANGER.ipv4,
      "x-forwarded-host": undefined,
      "x-forwarded-proto": "https",
      forwarded: undefined,
    },
    why: "nginx uses the address that Cloudflare reports and overwrites all other such headers",
  },
];
