import { ORIGIN } from "../../../dev/sandbox/network/network.ts";
import { SITE } from "../support/world.ts";
import { type Attack, get, lines, smuggled, toHost } from "./shots.ts";

const FIREWALL = "the firewall allows Cloudflare's addresses only and drops all other packets";
const NO_CERTIFICATE = "nginx requires a client certificate from our own CA";
const OTHER_CERTIFICATE = "nginx trusts our own CA only";
const UNKNOWN_NAME = "nginx's server for unknown names rejects the handshake without showing a certificate";

/** Attacks that go straight to the host, past Cloudflare's edge. */
export const ON_THE_HOST: readonly Attack[] = [
  // --- from a stranger's address ------------------------------------------------------------------------------------
  {
    name: "a stranger connects to the host's port 443, with our own client certificate",
    from: "out",
    shot: ({ certificates: { own } }, path) => toHost(get(path), { client: own }),
    gets: "dropped",
    why: FIREWALL,
  },
  {
    name: "a stranger connects to the host's port 443 over IPv6, with our own client certificate",
    from: "out",
    shot: ({ certificates: { own } }, path) => ({ ...toHost(get(path), { client: own }), address: ORIGIN.ipv6 }),
    gets: "dropped",
    why: FIREWALL,
  },
  {
    name: "a stranger connects to the host's port 80",
    from: "out",
    shot: (_, path) => ({ address: ORIGIN.ipv4, port: 80, send: get(path) }),
    gets: "dropped",
    why: FIREWALL,
  },
  {
    name: "a stranger connects to Immich's own port",
    from: "out",
    shot: (_, path) => ({ address: ORIGIN.ipv4, port: 2283, send: get(path) }),
    gets: "dropped",
    why: "a table of our own, ahead of all other rules, drops what comes for it from elsewhere",
  },
  {
    name: "a stranger connects to Immich's own port over IPv6",
    from: "out",
    shot: (_, path) => ({ address: ORIGIN.ipv6, port: 2283, send: get(path) }),
    gets: "dropped",
    why: "the firewall's rules cover both IP versions",
  },
  // --- from one of Cloudflare's addresses, as every customer's Worker has one ------------------------------------------
  {
    name: "a Cloudflare address connects to the host's port 80",
    from: "edge",
    shot: (_, path) => ({ address: ORIGIN.ipv4, port: 80, send: get(path) }),
    gets: "dropped",
    why: "the firewall allows Cloudflare to reach port 443 only",
  },
  {
    name: "a Cloudflare address connects to Immich's own port",
    from: "edge",
    shot: (_, path) => ({ address: ORIGIN.ipv6, port: 2283, send: get(path) }),
    gets: "dropped",
    why: "the firewall allows Cloudflare to reach port 443 only",
  },
  {
    name: "no client certificate",
    from: "edge",
    shot: (_, path) => toHost(get(path)),
    gets: "400 No required SSL certificate was sent",
    why: NO_CERTIFICATE,
  },
  {
    name: "no client certificate, over IPv6",
    from: "edge",
    shot: (_, path) => ({ ...toHost(get(path)), address: ORIGIN.ipv6 }),
    gets: "400 No required SSL certificate was sent",
    why: NO_CERTIFICATE,
  },
  {
    name: "the client certificate that all of Cloudflare's customers share",
    from: "edge",
    shot: ({ certificates: { shared } }, path) => toHost(get(path), { client: shared }),
    gets: "400 The SSL certificate error",
    why: "it proves that Cloudflare sent the request, but not for which account: the guide's origin pulls have this gap",
  },
  {
    name: "another customer's client certificate",
    from: "edge",
    shot: ({ certificates: { foreign } }, path) => toHost(get(path), { client: foreign }),
    gets: "400 The SSL certificate error",
    why: OTHER_CERTIFICATE,
  },
  {
    name: "a client certificate from a CA with the same name as ours",
    from: "edge",
    shot: ({ certificates: { namesake } }, path) => toHost(get(path), { client: namesake }),
    gets: "400 The SSL certificate error",
    why: "nginx checks the CA's key, not just its name",
  },
  {
    name: "a self-signed client certificate for the site's name",
    from: "edge",
    shot: ({ certificates: { selfSigned } }, path) => toHost(get(path), { client: selfSigned }),
    gets: "400 The SSL certificate error",
    why: OTHER_CERTIFICATE,
  },
  {
    name: "a certificate from Cloudflare's Origin CA for the site's name",
    from: "edge",
    shot: ({ certificates: { originCa } }, path) => toHost(get(path), { client: originCa }),
    gets: "400 The SSL certificate error",
    why: "the Origin CA signs for every customer; following the guide's second link would trust it",
  },
  {
    name: "an expired client certificate from our CA",
    from: "edge",
    shot: ({ certificates: { expired } }, path) => toHost(get(path), { client: expired }),
    gets: "400 The SSL certificate error",
    why: "nginx checks the validity, so a stolen certificate works for a limited time only",
  },
  {
    name: "a client certificate from our CA that is not valid yet",
    from: "edge",
    shot: ({ certificates: { early } }, path) => toHost(get(path), { client: early }),
    gets: "400 The SSL certificate error",
    why: "nginx checks the validity",
  },
  {
    name: "a certificate from our CA for servers only",
    from: "edge",
    shot: ({ certificates: { serverAuth } }, path) => toHost(get(path), { client: serverAuth }),
    gets: "400 The SSL certificate error",
    why: "its extended key usage does not include client authentication",
  },
  {
    name: "another server name in the TLS handshake",
    from: "edge",
    shot: (_, path) => toHost(get(path), { servername: "other.home.localhost" }),
    gets: "TLS refused",
    why: UNKNOWN_NAME,
  },
  {
    name: "no server name in the TLS handshake",
    from: "edge",
    shot: (_, path) => ({ ...toHost(get(path)), tls: {} }),
    gets: "TLS refused",
    why: UNKNOWN_NAME,
  },
  {
    name: "the host's address as Host",
    from: "edge",
    shot: (_, path) => toHost(lines(`GET ${path} HTTP/1.1`, `Host: ${ORIGIN.ipv4}`)),
    gets: "closed",
    why: "nginx's server for unknown names closes the connection",
  },
  {
    name: "TLS 1.1",
    from: "edge",
    shot: (_, path) => toHost(get(path), { version: "TLSv1.1" }),
    gets: "TLS refused",
    why: "nginx offers TLS 1.2 and 1.3",
  },
  {
    name: "plain HTTP at port 443",
    from: "edge",
    shot: (_, path) => ({ address: ORIGIN.ipv4, port: 443, send: get(path) }),
    gets: "400 The plain HTTP request was sent to HTTPS port",
    why: "nginx accepts TLS only on this port",
  },
  {
    name: "cleartext HTTP/2 with prior knowledge at port 443",
    from: "edge",
    shot: () => ({ address: ORIGIN.ipv4, port: 443, send: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" }),
    gets: "400 Bad Request",
    why: "nginx accepts TLS only on this port",
  },
  {
    name: "HTTP/2, no client certificate",
    from: "edge",
    shot: (_, path) => toHost({ ":path": path, ":authority": SITE }),
    gets: "400 No required SSL certificate was sent",
    why: "nginx requires the certificate for every HTTP version",
  },
  {
    name: "HTTP/1.0 without a Host",
    from: "edge",
    shot: (_, path) => toHost(lines(`GET ${path} HTTP/1.0`)),
    gets: "closed",
    why: "the request goes to nginx's server for unknown names, which closes the connection",
  },
  {
    name: "two pipelined requests without a client certificate",
    from: "edge",
    shot: (_, path) => toHost(lines(`GET ${path} HTTP/1.1`, `Host: ${SITE}`) + get(`${path}second`)),
    gets: "400 No required SSL certificate was sent",
    why: "nginx closes the connection after it has refused the first request",
  },
  {
    name: "a websocket without a client certificate",
    from: "edge",
    shot: (_, path) => toHost(get(path, "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: YQ==")),
    gets: "400 No required SSL certificate was sent",
    why: NO_CERTIFICATE,
  },
  {
    name: "request smuggling (CL.TE) without a client certificate",
    from: "edge",
    shot: (_, path) => toHost(smuggled("CL.TE", path)),
    gets: "400 Bad Request",
    why: "nginx refuses a request with both Content-Length and Transfer-Encoding before it checks the certificate",
  },
  {
    name: "an Access token instead of a client certificate",
    from: "edge",
    shot: ({ jwts: { person } }, path) => toHost(get(path, `Cf-Access-Jwt-Assertion: ${person}`)),
    gets: "400 No required SSL certificate was sent",
    why: "a valid token does not replace the client certificate",
  },
];
