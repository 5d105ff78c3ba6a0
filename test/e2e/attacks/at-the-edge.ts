import { EDGE, STRANGER } from "../../../dev/sandbox/network/network.ts";
import { SITE } from "../support/world.ts";
import { NEIGHBOUR } from "./ammunition.ts";
import { type Attack, credentials, get, lines, MIRROR, smuggled, toEdge } from "./shots.ts";

const WHOLE_HOST = "the application covers the whole host name, so no form of a path bypasses it";

/** Requests a path in a form that a check of paths might miss. */
const path = (form: (path: string) => string): Attack => ({
  name: `the path ${form("/x")}`,
  from: "out",
  shot: (_, own) => toEdge(get(form(own))),
  gets: "302 to the login",
  why: WHOLE_HOST,
});

/**
 * Attacks through Cloudflare's edge with unusual requests. The sandbox's edge answers them; where Cloudflare's answer has
 * not been measured, it gives the safe one.
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
    why: "always_use_https redirects to TLS before any other check",
  },
  {
    name: "HTTP/1.0 without a Host header",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET ${own} HTTP/1.0`)),
    gets: "400 error code: 400",
    why: "the edge needs a host name to find the customer",
  },
  {
    name: "two Host headers",
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
    why: "Host does not match the server name in the TLS handshake",
  },
  {
    name: "another customer's server name in the TLS handshake, ours as Host",
    from: "out",
    shot: (_, own) => toEdge(get(own), { servername: NEIGHBOUR }),
    gets: "421 error code: 421",
    why: "domain fronting: both names must belong to the same customer",
  },
  {
    name: "a name of the zone without a DNS record",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET ${own} HTTP/1.1`, "Host: other.home.localhost")),
    gets: "409 error code: 1001",
    why: "the edge forwards nothing for a name without a record",
  },
  {
    name: "another customer's name whose DNS record points to our host",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET ${own} HTTP/1.1`, `Host: ${NEIGHBOUR}`), { servername: NEIGHBOUR }),
    gets: "525 error code: 525",
    why: "the host serves no other name, and Cloudflare presents our client certificate for our site only",
  },
  {
    name: "the site's name in upper case, with a trailing dot and a port",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET ${own} HTTP/1.1`, `Host: ${SITE.toUpperCase()}.:2283`)),
    gets: "302 to the login",
    why: "it is the same name",
  },
  {
    name: "an absolute URL in the request line",
    from: "out",
    shot: (_, own) => toEdge(lines(`GET https://${SITE}${own} HTTP/1.1`, `Host: ${SITE}`)),
    gets: "400 error code: 400",
    why: "the edge is not a forward proxy; not measured at Cloudflare",
  },
  {
    name: "CONNECT",
    from: "out",
    shot: () => toEdge(lines("CONNECT 127.0.0.1:2283 HTTP/1.1", `Host: ${SITE}`)),
    gets: "closed",
    why: "the edge is not a forward proxy; not measured at Cloudflare",
  },
  {
    name: "TRACE",
    from: "out",
    shot: (_, own) => toEdge(lines(`TRACE ${own} HTTP/1.1`, `Host: ${SITE}`)),
    gets: "302 to the login",
    why: "Access checks every method; not measured at Cloudflare",
  },
  {
    name: "request smuggling (CL.TE), from a device",
    from: "out",
    shot: ({ tokens: { phone } }, own) => toEdge(smuggled("CL.TE", own, ...credentials(phone))),
    gets: "400",
    why: "RFC 9112, section 6.3: the hidden request could be answered to the next visitor",
  },
  {
    name: "request smuggling (TE.CL), from a device",
    from: "out",
    shot: ({ tokens: { phone } }, own) => toEdge(smuggled("TE.CL", own, ...credentials(phone))),
    gets: "400",
    why: "RFC 9112, section 6.3",
  },
  {
    name: "a header folded over two lines (obs-fold), from a device",
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
    why: "Cloudflare accepts 32 KB",
  },
  {
    name: "the last step of a login that was never started",
    from: "out",
    shot: () => toEdge(get("/cdn-cgi/access/authorized?nonce=AAAAAAAAAAAAAAAA")),
    gets: "400 Invalid login session",
    why: "a login must end in the browser that started it",
  },
  {
    name: "a query for the identity of the person logged in",
    from: "out",
    shot: () => toEdge(get("/cdn-cgi/access/get-identity")),
    gets: "400",
    why: "nobody is logged in",
  },
  // --- what a device may do, and what Immich must not see -----------------------------------------------------------
  {
    name: "a device with forged headers about its address and user",
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
    why: "the edge sets these headers itself and does not forward the device's secret",
  },
  {
    name: "a device that lists the edge's headers as hop-by-hop in Connection",
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
    why: "the edge adds its own headers after it has removed the listed ones",
  },
  {
    name: "a device that asks for cleartext HTTP/2",
    from: "out",
    shot: ({ tokens: { phone } }) =>
      toEdge(
        lines(`GET ${MIRROR} HTTP/1.1`, `Host: ${SITE}`, "Connection: Upgrade", "Upgrade: h2c", ...credentials(phone)),
      ),
    gets: "200",
    sees: { upgrade: undefined, connection: "close" },
    why: "only upgrades to websocket are forwarded",
  },
  {
    name: "a device with a rotated token's new secret",
    from: "out",
    shot: ({ tokens: { renewed } }) => toEdge(get(MIRROR, ...credentials(renewed))),
    gets: "200",
    sees: { host: SITE, "cf-access-client-secret": undefined },
    why: "a control: the response that a successful attack would get",
  },
];
