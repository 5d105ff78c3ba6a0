import { ORIGIN } from "../../../dev/sandbox/network/network.ts";
import { SITE } from "../support/world.ts";
import { type Attack, get, lines, smuggled, toHost } from "./shots.ts";

const FIREWALL = "the firewall lets nobody but Cloudflare's addresses in, and drops all other packets";
const NO_CERTIFICATE = "nginx asks every client for a certificate of our own authority";
const OTHER_CERTIFICATE = "nginx trusts our own authority and no other";
const UNKNOWN_NAME = "the server for unknown names ends the handshake, without showing a certificate";

/** Attacks that go straight to the host, past Cloudflare's edge. */
export const ON_THE_HOST: readonly Attack[] = [
  // --- from a stranger's address ------------------------------------------------------------------------------------
  {
    name: "a stranger at the host's port 443, even with our own client certificate",
    from: "out",
    shot: ({ certificates: { own } }, path) => toHost(get(path), { client: own }),
    gets: "dropped",
    why: FIREWALL,
  },
  {
    name: "a stranger at the host's port 443 over IPv6, with the same certificate",
    from: "out",
    shot: ({ certificates: { own } }, path) => ({ ...toHost(get(path), { client: own }), address: ORIGIN.ipv6 }),
    gets: "dropped",
    why: FIREWALL,
  },
  {
    name: "a stranger at the host's port 80",
    from: "out",
    shot: (_, path) => ({ address: ORIGIN.ipv4, port: 80, send: get(path) }),
    gets: "dropped",
    why: FIREWALL,
  },
  {
    name: "a stranger at Immich's own port",
    from: "out",
    shot: (_, path) => ({ address: ORIGIN.ipv4, port: 2283, send: get(path) }),
    gets: "dropped",
    why: "a table of our own, ahead of all other rules, drops what comes for it from elsewhere",
  },
  {
    name: "a stranger at Immich's own port over IPv6",
    from: "out",
    shot: (_, path) => ({ address: ORIGIN.ipv6, port: 2283, send: get(path) }),
    gets: "dropped",
    why: "the firewall's rules are made for both families",
  },
  // --- from one of Cloudflare's addresses, as every customer's Worker has one ------------------------------------------
  {
    name: "Cloudflare's address at the host's port 80",
    from: "edge",
    shot: (_, path) => ({ address: ORIGIN.ipv4, port: 80, send: get(path) }),
    gets: "dropped",
    why: "Cloudflare gets in at port 443 and nowhere else",
  },
  {
    name: "Cloudflare's address at Immich's own port",
    from: "edge",
    shot: (_, path) => ({ address: ORIGIN.ipv6, port: 2283, send: get(path) }),
    gets: "dropped",
    why: "Cloudflare gets in at port 443 and nowhere else",
  },
  {
    name: "without a client certificate",
    from: "edge",
    shot: (_, path) => toHost(get(path)),
    gets: "400 No required SSL certificate was sent",
    why: NO_CERTIFICATE,
  },
  {
    name: "without a client certificate over IPv6",
    from: "edge",
    shot: (_, path) => ({ ...toHost(get(path)), address: ORIGIN.ipv6 }),
    gets: "400 No required SSL certificate was sent",
    why: NO_CERTIFICATE,
  },
  {
    name: "with the certificate that Cloudflare shares among its customers",
    from: "edge",
    shot: ({ certificates: { shared } }, path) => toHost(get(path), { client: shared }),
    gets: "400 The SSL certificate error",
    why: "it proves Cloudflare's network and no account: this is the hole in the guide",
  },
  {
    name: "with another customer's certificate",
    from: "edge",
    shot: ({ certificates: { foreign } }, path) => toHost(get(path), { client: foreign }),
    gets: "400 The SSL certificate error",
    why: OTHER_CERTIFICATE,
  },
  {
    name: "with a certificate of an authority that has the name of ours",
    from: "edge",
    shot: ({ certificates: { namesake } }, path) => toHost(get(path), { client: namesake }),
    gets: "400 The SSL certificate error",
    why: "the key decides, not the name",
  },
  {
    name: "with a self-signed certificate for the site's name",
    from: "edge",
    shot: ({ certificates: { selfSigned } }, path) => toHost(get(path), { client: selfSigned }),
    gets: "400 The SSL certificate error",
    why: OTHER_CERTIFICATE,
  },
  {
    name: "with a certificate of Cloudflare's Origin CA for the site's name",
    from: "edge",
    shot: ({ certificates: { originCa } }, path) => toHost(get(path), { client: originCa }),
    gets: "400 The SSL certificate error",
    why: "the Origin CA signs for every customer; the guide's second link would have it trusted",
  },
  {
    name: "with an expired certificate of our authority",
    from: "edge",
    shot: ({ certificates: { expired } }, path) => toHost(get(path), { client: expired }),
    gets: "400 The SSL certificate error",
    why: "a certificate that was lost must end by itself",
  },
  {
    name: "with a certificate of our authority that is not valid yet",
    from: "edge",
    shot: ({ certificates: { early } }, path) => toHost(get(path), { client: early }),
    gets: "400 The SSL certificate error",
    why: "its time has not come",
  },
  {
    name: "with a certificate of our authority that is for servers only",
    from: "edge",
    shot: ({ certificates: { serverAuth } }, path) => toHost(get(path), { client: serverAuth }),
    gets: "400 The SSL certificate error",
    why: "its extended key usage says so",
  },
  {
    name: "with another name in the handshake",
    from: "edge",
    shot: (_, path) => toHost(get(path), { servername: "other.home.localhost" }),
    gets: "TLS refused",
    why: UNKNOWN_NAME,
  },
  {
    name: "with no name in the handshake",
    from: "edge",
    shot: (_, path) => ({ ...toHost(get(path)), tls: {} }),
    gets: "TLS refused",
    why: UNKNOWN_NAME,
  },
  {
    name: "with the host's address instead of its name",
    from: "edge",
    shot: (_, path) => toHost(lines(`GET ${path} HTTP/1.1`, `Host: ${ORIGIN.ipv4}`)),
    gets: "closed",
    why: "the server for unknown names says nothing",
  },
  {
    name: "with TLS 1.1",
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
    why: "nginx takes TLS there and nothing else",
  },
  {
    name: "HTTP/2 in the clear, with prior knowledge",
    from: "edge",
    shot: () => ({ address: ORIGIN.ipv4, port: 443, send: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" }),
    gets: "400 Bad Request",
    why: "nginx takes TLS there and nothing else",
  },
  {
    name: "HTTP/2 without a client certificate",
    from: "edge",
    shot: (_, path) => toHost({ ":path": path, ":authority": SITE }),
    gets: "400 No required SSL certificate was sent",
    why: "the certificate is asked for whatever the protocol",
  },
  {
    name: "HTTP/1.0 without a Host",
    from: "edge",
    shot: (_, path) => toHost(lines(`GET ${path} HTTP/1.0`)),
    gets: "closed",
    why: "the server for unknown names takes it, and says nothing",
  },
  {
    name: "two requests in one go, the second with a Host of its own",
    from: "edge",
    shot: (_, path) => toHost(lines(`GET ${path} HTTP/1.1`, `Host: ${SITE}`) + get(`${path}second`)),
    gets: "400 No required SSL certificate was sent",
    why: "nginx closes the connection behind the first refusal",
  },
  {
    name: "a websocket without a client certificate",
    from: "edge",
    shot: (_, path) => toHost(get(path, "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: YQ==")),
    gets: "400 No required SSL certificate was sent",
    why: NO_CERTIFICATE,
  },
  {
    name: "a request hidden in a body (CL.TE) without a client certificate",
    from: "edge",
    shot: (_, path) => toHost(smuggled("CL.TE", path)),
    gets: "400 Bad Request",
    why: "nginx refuses a request with both lengths before anything else",
  },
  {
    name: "an Access token instead of a client certificate",
    from: "edge",
    shot: ({ jwts: { person } }, path) => toHost(get(path, `Cf-Access-Jwt-Assertion: ${person}`)),
    gets: "400 No required SSL certificate was sent",
    why: "a login does not stand in for Cloudflare's certificate",
  },
];
