import { STRANGER } from "../../../dev/sandbox/network/network.ts";
import { SITE } from "../support/world.ts";
import type { Ammunition } from "./ammunition.ts";
import { type Attack, get, lines, MIRROR, smuggled, toHost } from "./shots.ts";

/** As Cloudflare's edge, with our client certificate and the token of a device that Access has let in. */
const asEdge = ({ certificates: { own } }: Ammunition, send: string) => toHost(send, { client: own });
const passed = ({ jwts: { device } }: Ammunition) => `Cf-Access-Jwt-Assertion: ${device}`;

/**
 * What would arrive at the host if Cloudflare's edge let every oddity of somebody who has passed Access through: nginx
 * has to read a request as Immich does, or refuse it.
 */
export const FORWARDED: readonly Attack[] = [
  // --- past Access: an application that was deleted by hand, a record that leads around it --------------------------
  {
    name: "without an Access token",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path)),
    gets: "403 Forbidden",
    why: "the host itself verifies that Access has let a request through",
  },
  {
    name: "with a token signed with another key",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cf-Access-Jwt-Assertion: ${all.jwts.forged}`)),
    gets: "403 Forbidden",
    why: "the team's keys decide",
  },
  {
    name: "with a token without a signature (alg none)",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cf-Access-Jwt-Assertion: ${all.jwts.unsigned}`)),
    gets: "403 Forbidden",
    why: "RS256 is the only algorithm",
  },
  {
    name: "with an expired token",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cf-Access-Jwt-Assertion: ${all.jwts.expired}`)),
    gets: "403 Forbidden",
    why: "clocks may differ by a minute, and no more",
  },
  {
    name: "with a token of another application",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cf-Access-Jwt-Assertion: ${all.jwts.otherApplication}`)),
    gets: "403 Forbidden",
    why: "its audience is another one",
  },
  {
    name: "with a good token as a cookie alone",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, `Cookie: CF_Authorization=${all.jwts.person}`)),
    gets: "403 Forbidden",
    why: "a visitor writes cookies; the header is Access's own",
  },
  {
    name: "the address of the token check itself",
    from: "edge",
    shot: (all) => asEdge(all, get("/.immich-access/token", passed(all))),
    gets: "404 Not Found",
    why: "it is for nginx's own questions",
  },
  // --- requests that are read in more than one way ------------------------------------------------------------------
  {
    name: "a request hidden in a body (CL.TE)",
    from: "edge",
    shot: (all, path) => asEdge(all, smuggled("CL.TE", path, passed(all))),
    gets: "400 Bad Request",
    why: "RFC 9112, section 6.3: both lengths at once are an attack",
  },
  {
    name: "a request hidden in a body (TE.CL)",
    from: "edge",
    shot: (all, path) => asEdge(all, smuggled("TE.CL", path, passed(all))),
    gets: "400 Bad Request",
    why: "RFC 9112, section 6.3",
  },
  {
    name: "a header line that goes on in the next (obs-fold)",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "X-A: b", " Transfer-Encoding: chunked")),
    gets: "400 Bad Request",
    why: "RFC 9112, section 5.2",
  },
  {
    name: "a space before the colon",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "Transfer-Encoding : chunked")),
    gets: "400 Bad Request",
    why: "RFC 9112, section 5.1",
  },
  {
    name: "a transfer coding that only looks like chunked",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "Transfer-Encoding: \vchunked")),
    gets: "501 Not Implemented",
    why: "RFC 9112, section 6.1",
  },
  {
    name: "two lengths",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "Content-Length: 0", "Content-Length: 5")),
    gets: "400 Bad Request",
    why: "RFC 9112, section 6.3",
  },
  {
    name: "two Hosts",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), "Host: other.home.localhost")),
    gets: "400 Bad Request",
    why: "RFC 9112, section 3.2",
  },
  {
    name: "another Host than in the handshake",
    from: "edge",
    shot: (all, path) => asEdge(all, lines(`GET ${path} HTTP/1.1`, "Host: other.home.localhost", passed(all))),
    gets: "closed",
    why: "the server for unknown names says nothing",
  },
  {
    name: "another Host in the request line",
    from: "edge",
    shot: (all, path) =>
      asEdge(all, lines(`GET https://other.home.localhost${path} HTTP/1.1`, `Host: ${SITE}`, passed(all))),
    gets: "closed",
    why: "RFC 9112, section 3.2.2: the request line goes before the header",
  },
  {
    name: "CONNECT",
    from: "edge",
    shot: (all) => asEdge(all, lines("CONNECT 127.0.0.1:2283 HTTP/1.1", "Host: 127.0.0.1:2283", passed(all))),
    gets: "400 Bad Request",
    why: "nginx is no proxy for its clients",
  },
  {
    name: "TRACE",
    from: "edge",
    shot: (all, path) => asEdge(all, lines(`TRACE ${path} HTTP/1.1`, `Host: ${SITE}`, passed(all))),
    gets: "405 Not Allowed",
    why: "an answer would show headers to scripts that must not see them",
  },
  {
    name: "a NUL in the path",
    from: "edge",
    shot: (all, path) => asEdge(all, get(`${path}%00.jpg`, passed(all))),
    gets: "400 Bad Request",
    why: "what comes behind it is read by some and not by others",
  },
  {
    name: "a path that leads out of the root",
    from: "edge",
    shot: (all, path) => asEdge(all, get(`/..${path}`, passed(all))),
    gets: "400 Bad Request",
    why: "there is nothing above the root",
  },
  {
    name: "64 KB of headers",
    from: "edge",
    shot: (all, path) => asEdge(all, get(path, passed(all), ...Array<string>(8).fill(`X-A: ${"a".repeat(8000)}`))),
    gets: "400 Request Header Or Cookie Too Large",
    why: "nginx keeps 32 KB for them, as much as Cloudflare lets through",
  },
  {
    name: "another name over HTTP/2",
    from: "edge",
    shot: (all, path) =>
      toHost(
        { ":path": path, ":authority": "other.home.localhost", "cf-access-jwt-assertion": all.jwts.device },
        { client: all.certificates.own },
      ),
    gets: "closed",
    why: "the server for unknown names says nothing",
  },
  {
    name: "two names over HTTP/2",
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
    name: "a switch to cleartext HTTP/2",
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
    why: "behind a switched connection nginx reads nothing any more; only websockets may switch",
  },
  {
    name: "the site's name in upper case and with a dot at its end",
    from: "edge",
    shot: (all) => asEdge(all, lines(`GET ${MIRROR} HTTP/1.1`, `Host: ${SITE.toUpperCase()}.`, passed(all))),
    gets: "200",
    sees: { host: SITE },
    why: "it is the same name, and Immich sees one form of it",
  },
  {
    name: "the site's name in the request line, another one in the header",
    from: "edge",
    shot: (all) =>
      asEdge(all, lines(`GET https://${SITE}${MIRROR} HTTP/1.1`, "Host: other.home.localhost", passed(all))),
    gets: "200",
    sees: { host: SITE },
    why: "RFC 9112, section 3.2.2: Immich must not see the one that was overruled",
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
    name: "headers with underscores for hyphens",
    from: "edge",
    shot: (all) => asEdge(all, get(MIRROR, passed(all), "CF_Connecting_IP: 192.0.2.1", "X_Forwarded_For: 192.0.2.1")),
    gets: "200",
    sees: { cf_connecting_ip: undefined, x_forwarded_for: undefined, "x-real-ip": "173.245.48.10" },
    why: "some programs take them for the headers with hyphens; nginx drops them",
  },
  {
    name: "a visitor's own claims about addresses",
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
    why: "nginx takes the address that Cloudflare vouches for, and writes all other claims itself",
  },
];
