import { EDGE, STRANGER } from "../../../dev/sandbox/network/network.ts";
import { SITE } from "../support/world.ts";
import { NEIGHBOUR } from "./ammunition.ts";
import { type Attack, credentials, get, lines, MIRROR, smuggled, toEdge } from "./shots.ts";

const WHOLE_HOST = "the application guards the whole host: no form of a path leads past it";

/** A path in a form in which it might not be recognised. */
const path = (form: (path: string) => string): Attack => ({
  name: `the path ${form("/x")}`,
  from: "out",
  shot: (_, own) => toEdge(get(form(own))),
  gets: "302 to the login",
  why: WHOLE_HOST,
});

/**
 * Attacks through Cloudflare's edge with requests of an odd form. They are answered by the sandbox's edge: where nobody
 * has measured Cloudflare's own, the answer is the one that is safe.
 */
export const AT_THE_EDGE: readonly Attack[] = [
  path((own) => `/${own}`),
  path((own) => `/.well-known/..${own}`),
  path((own) => `/share/..%2f..${own}`),
  path((own) => `/%2e%2e${own}`),
  path((own) => `/cdn-cgi/access/..%2f..${own}`),
  path((own) => `/share/..;${own}`),
  path((own) => `${own}%2fapi%5cserver`),
  {
    name: "plain HTTP",
    from: "out",
    shot: (_, own) => ({ address: EDGE.ipv4, port: 80, send: get(own) }),
    gets: "301",
    why: "always_use_https leads to TLS before anything else",
  },
  {
    name: "HTTP/1.0 without a Host",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET ${own} HTTP/1.0`)),
    gets: "400 error code: 400",
    why: "the edge serves names",
  },
  {
    name: "two Hosts",
    from: "out",
    shot: (_, own) => toEdge(get(own, "Host: other.home.localhost")),
    gets: "400 error code: 400",
    why: "RFC 9112, section 3.2",
  },
  {
    name: "the edge's address as Host",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET ${own} HTTP/1.1`, `Host: ${EDGE.ipv4}`)),
    gets: "421 error code: 421",
    why: "the handshake named a customer, the request does not",
  },
  {
    name: "a name of another customer in the handshake, ours as Host",
    from: "out",
    shot: (_, own) => toEdge(get(own), { servername: NEIGHBOUR }),
    gets: "421 error code: 421",
    why: "domain fronting: the two have to belong together",
  },
  {
    name: "a name of the zone that has no record",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET ${own} HTTP/1.1`, "Host: other.home.localhost")),
    gets: "409 error code: 1001",
    why: "no record, no way to the host",
  },
  {
    name: "another customer's name that leads to our host",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET ${own} HTTP/1.1`, `Host: ${NEIGHBOUR}`), { servername: NEIGHBOUR }),
    gets: "525 error code: 525",
    why: "the host serves no other name, and their Cloudflare has not our certificate",
  },
  {
    name: "the site's name in upper case, with a dot at its end and a port",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET ${own} HTTP/1.1`, `Host: ${SITE.toUpperCase()}.:2283`)),
    gets: "302 to the login",
    why: "it is the same name",
  },
  {
    name: "an absolute address in the request line",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET https://${SITE}${own} HTTP/1.1`, `Host: ${SITE}`)),
    gets: "400 error code: 400",
    why: "the edge is no forward proxy; not measured at Cloudflare",
  },
  {
    name: "CONNECT",
    from: "out",
    shot: () => toEdge(lines("CONNECT 127.0.0.1:2283 HTTP/1.1", `Host: ${SITE}`)),
    gets: "closed",
    why: "the edge is no forward proxy; not measured at Cloudflare",
  },
  {
    name: "TRACE",
    from: "out",
    shot: (_, own) => toEdge(lines(`TRACE ${own} HTTP/1.1`, `Host: ${SITE}`)),
    gets: "302 to the login",
    why: "Access asks before any method is looked at; not measured at Cloudflare",
  },
  {
    name: "a request hidden in a body (CL.TE), from a device",
    from: "out",
    shot: ({ tokens: { phone } }, own) => toEdge(smuggled("CL.TE", own, ...credentials(phone))),
    gets: "400",
    why: "RFC 9112, section 6.3: it would reach the next visitor's connection",
  },
  {
    name: "a request hidden in a body (TE.CL), from a device",
    from: "out",
    shot: ({ tokens: { phone } }, own) => toEdge(smuggled("TE.CL", own, ...credentials(phone))),
    gets: "400",
    why: "RFC 9112, section 6.3",
  },
  {
    name: "a header line that goes on in the next (obs-fold), from a device",
    from: "out",
    shot: ({ tokens: { phone } }, own) =>
      toEdge(get(own, ...credentials(phone), "X-A: b", " Transfer-Encoding: chunked")),
    gets: "400",
    why: "RFC 9112, section 5.2",
  },
  {
    name: "40 KB of headers",
    from: "out",
    shot: (_, own) => toEdge(get(own, ...Array<string>(5).fill(`X-A: ${"a".repeat(8000)}`))),
    gets: "431",
    why: "Cloudflare takes 32 KB",
  },
  {
    name: "the end of a login that never began",
    from: "out",
    shot: () => toEdge(get("/cdn-cgi/access/authorized?nonce=AAAAAAAAAAAAAAAA")),
    gets: "400 Invalid login session",
    why: "a login ends in the browser in which it began",
  },
  {
    name: "the question who is logged in",
    from: "out",
    shot: () => toEdge(get("/cdn-cgi/access/get-identity")),
    gets: "400",
    why: "nobody is",
  },
  // --- what a device may do, and what Immich must not see of it -----------------------------------------------------
  {
    name: "a device that names itself otherwise",
    from: "out",
    shot: ({ tokens: { phone } }) =>
      toEdge(
        get(
          MIRROR,
          ...credentials(phone),
          "CF-Connecting-IP: 127.0.0.1",
          "X-Forwarded-For: 127.0.0.1",
          "X-Real-IP: 127.0.0.1",
          "X-Forwarded-Host: mallory.example",
          "Forwarded: for=127.0.0.1;host=mallory.example",
          "Cf-Access-Authenticated-User-Email: owner@home.localhost",
        ),
      ),
    gets: "200",
    sees: {
      "x-forwarded-for": STRANGER.ipv4,
      "x-real-ip": STRANGER.ipv4,
      "cf-connecting-ip": STRANGER.ipv4,
      "x-forwarded-host": undefined,
      forwarded: undefined,
      "cf-access-authenticated-user-email": undefined,
      "cf-access-client-id": undefined,
      "cf-access-client-secret": undefined,
    },
    why: "addresses and names come from Cloudflare alone, and the device's secret stays there",
  },
  {
    name: "a device that has headers named as belonging to the connection",
    from: "out",
    shot: ({ tokens: { phone } }) =>
      toEdge(
        lines(
          `GET ${MIRROR} HTTP/1.1`,
          `Host: ${SITE}`,
          "Connection: close, X-Forwarded-For, CF-Connecting-IP, Cf-Access-Jwt-Assertion",
          ...credentials(phone),
        ),
      ),
    gets: "200",
    sees: { "x-forwarded-for": STRANGER.ipv4, "cf-connecting-ip": STRANGER.ipv4 },
    why: "the edge writes its own headers behind the visitor's wishes",
  },
  {
    name: "a device that wants cleartext HTTP/2",
    from: "out",
    shot: ({ tokens: { phone } }) =>
      toEdge(
        lines(`GET ${MIRROR} HTTP/1.1`, `Host: ${SITE}`, "Connection: Upgrade", "Upgrade: h2c", ...credentials(phone)),
      ),
    gets: "200",
    sees: { upgrade: undefined, connection: "close" },
    why: "only websockets may switch",
  },
  {
    name: "a device with a rotated token's new secret",
    from: "out",
    shot: ({ tokens: { renewed } }) => toEdge(get(MIRROR, ...credentials(renewed))),
    gets: "200",
    sees: { host: SITE, "cf-access-client-secret": undefined },
    why: "it is the answer that all others would get if they got through",
  },
];
