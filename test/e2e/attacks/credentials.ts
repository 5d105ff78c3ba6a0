import { type Attack, credentials, get, lines, toEdge } from "./shots.ts";
import { SITE } from "../support/world.ts";

const STRICT =
  "strict service tokens: wrong credentials are refused, whatever else the request carries (Cloudflare, 2026-10-02)";
const NO_LOGIN = "only a token that Access signed for this site counts as a login";
const cookie = (jwt: string): string => `Cookie: CF_Authorization=${jwt}`;

/** Attacks on the login: through the edge, with missing or invalid credentials. */
export const CREDENTIALS: readonly Attack[] = [
  {
    name: "no credentials",
    from: "out",
    shot: (_, path) => toEdge(get(path)),
    gets: "302 to the login",
    why: "a person without a login is sent to the login page",
  },
  {
    name: "no credentials over HTTP/2",
    from: "out",
    shot: (_, path) => toEdge({ ":path": path, ":authority": SITE }),
    gets: "302 to the login",
    why: "Access handles every HTTP version alike",
  },
  {
    name: "no credentials, from a script",
    from: "out",
    shot: (_, path) => toEdge(get(path, "X-Requested-With: XMLHttpRequest")),
    gets: "401 Unauthorized",
    why: "a script cannot complete a login, so it gets no redirect",
  },
  {
    name: "a CORS preflight without credentials",
    from: "out",
    shot: (_, path) => toEdge(lines(`OPTIONS ${path} HTTP/1.1`, `Host: ${SITE}`, "Origin: https://mallory.example")),
    gets: "403 Forbidden",
    why: "options_preflight_bypass is off; it would pass every OPTIONS request to Immich",
  },
  {
    name: "a websocket without credentials",
    from: "out",
    shot: (_, path) =>
      toEdge(
        lines(
          `GET ${path} HTTP/1.1`,
          `Host: ${SITE}`,
          "Connection: Upgrade",
          "Upgrade: websocket",
          "Sec-WebSocket-Version: 13",
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
      ),
    gets: "302 to the login",
    why: "a websocket starts as an HTTP request, which Access checks like any other",
  },
  // --- Access tokens -----------------------------------------------------------------------------------------------
  {
    name: "a token signed with another key",
    from: "out",
    shot: ({ jwts: { forged } }, path) => toEdge(get(path, cookie(forged))),
    gets: "302 to the login",
    why: NO_LOGIN,
  },
  {
    name: "a token altered to hold another person's email address",
    from: "out",
    shot: ({ jwts: { changed } }, path) => toEdge(get(path, cookie(changed))),
    gets: "302 to the login",
    why: NO_LOGIN,
  },
  {
    name: "an expired token",
    from: "out",
    shot: ({ jwts: { expired } }, path) => toEdge(get(path, cookie(expired))),
    gets: "302 to the login",
    why: "a login expires after sessionDuration",
  },
  {
    name: "a token without a signature (alg none)",
    from: "out",
    shot: ({ jwts: { unsigned } }, path) => toEdge(get(path, cookie(unsigned))),
    gets: "302 to the login",
    why: "Access accepts RS256 only",
  },
  {
    name: "a token signed with the public key as a shared secret (alg HS256)",
    from: "out",
    shot: ({ jwts: { symmetric } }, path) => toEdge(get(path, cookie(symmetric))),
    gets: "302 to the login",
    why: "Access accepts RS256 only",
  },
  {
    name: "a token for another application",
    from: "out",
    shot: ({ jwts: { otherApplication } }, path) => toEdge(get(path, cookie(otherApplication))),
    gets: "302 to the login",
    why: "its audience does not match",
  },
  {
    name: "a token from another team",
    from: "out",
    shot: ({ jwts: { otherTeam } }, path) => toEdge(get(path, cookie(otherTeam))),
    gets: "302 to the login",
    why: "its issuer does not match",
  },
  {
    name: "a token for the team's domain",
    from: "out",
    shot: ({ jwts: { teamDomain } }, path) => toEdge(get(path, cookie(teamDomain))),
    gets: "302 to the login",
    why: "it is valid at the login only, not at an application",
  },
  {
    name: "a forged token in the header that only the edge sets",
    from: "out",
    shot: ({ jwts: { forged } }, path) => toEdge(get(path, `Cf-Access-Jwt-Assertion: ${forged}`)),
    gets: "302 to the login",
    why: NO_LOGIN,
  },
  {
    name: "an email address in the header that some origins trust",
    from: "out",
    shot: (_, path) => toEdge(get(path, "Cf-Access-Authenticated-User-Email: anna@example.com")),
    gets: "302 to the login",
    why: "Access ignores the header and requires a signed token",
  },
  // --- service tokens -------------------------------------------------------------------------------------------------
  {
    name: "a device's id with a wrong secret",
    from: "out",
    shot: ({ tokens: { phone } }, path) => toEdge(get(path, ...credentials({ ...phone, clientSecret: "wrong" }))),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "a device's id without a secret",
    from: "out",
    shot: ({ tokens: { phone } }, path) => toEdge(get(path, `CF-Access-Client-Id: ${phone.clientId}`)),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "a device's id with another token's secret",
    from: "out",
    shot: ({ tokens: { phone, renewed } }, path) =>
      toEdge(get(path, ...credentials({ ...renewed, clientId: phone.clientId }))),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "a rotated token's old secret",
    from: "out",
    shot: ({ tokens: { rotated } }, path) => toEdge(get(path, ...credentials(rotated))),
    gets: "401 Unauthorized",
    why: "a rotation without a grace period revokes the old secret at once",
  },
  {
    name: "a deleted token",
    from: "out",
    shot: ({ tokens: { deleted } }, path) => toEdge(get(path, ...credentials(deleted))),
    gets: "401 Unauthorized",
    why: "deleting the token blocks a lost phone at once",
  },
  {
    name: "a disabled token",
    from: "out",
    shot: ({ tokens: { disabled } }, path) => toEdge(get(path, ...credentials(disabled))),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "an expired service token",
    from: "out",
    shot: ({ tokens: { expired } }, path) => toEdge(get(path, ...credentials(expired))),
    gets: "401 Unauthorized",
    why: "a service token expires after tokenDuration",
  },
  {
    name: "a valid service token of the account, for another application",
    from: "out",
    shot: ({ tokens: { other } }, path) => toEdge(get(path, ...credentials(other))),
    gets: "403 Forbidden",
    why: "the policy lists the devices' own tokens and does not admit every valid one",
  },
  {
    name: "a valid token and an invalid one in the same request",
    from: "out",
    shot: ({ tokens: { phone, deleted } }, path) => toEdge(get(path, ...credentials(phone), ...credentials(deleted))),
    gets: "401 Unauthorized",
    why: "Access refuses ambiguous credentials",
  },
  {
    name: "a valid token's secret twice",
    from: "out",
    shot: ({ tokens: { phone } }, path) =>
      toEdge(get(path, ...credentials(phone), `CF-Access-Client-Secret: ${phone.clientSecret}`)),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "a person's login together with an invalid service token",
    from: "out",
    shot: ({ jwts: { person }, tokens: { deleted } }, path) =>
      toEdge(get(path, cookie(person), ...credentials(deleted))),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "a valid service token in the query",
    from: "out",
    shot: ({ tokens: { phone } }, path) =>
      toEdge(get(`${path}?CF-Access-Client-Id=${phone.clientId}&CF-Access-Client-Secret=${phone.clientSecret}`)),
    gets: "302 to the login",
    why: "Access reads credentials from headers only, because URLs are logged",
  },
  {
    name: "a valid service token in header names with underscores",
    from: "out",
    shot: ({ tokens: { phone } }, path) =>
      toEdge(
        get(path, ...credentials(phone).map((header) => header.replace(/^CF-Access-Client-/, "CF_Access_Client_"))),
      ),
    gets: "302 to the login",
    why: "the edge does not treat underscores as hyphens",
  },
];
