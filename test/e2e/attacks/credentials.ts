import { type Attack, credentials, get, lines, toEdge } from "./shots.ts";
import { SITE } from "../support/world.ts";

const STRICT = "strict service tokens: who shows credentials stands and falls with them (Cloudflare, 2026-10-02)";
const NO_LOGIN = "a token that Access has not signed for this site is no login";
const cookie = (jwt: string): string => `Cookie: CF_Authorization=${jwt}`;

/** Attacks on the login: through the edge, with credentials that are none. */
export const CREDENTIALS: readonly Attack[] = [
  {
    name: "no credentials",
    from: "out",
    shot: (_, path) => toEdge(get(path)),
    gets: "302 to the login",
    why: "a person has to be able to log in",
  },
  {
    name: "no credentials over HTTP/2",
    from: "out",
    shot: (_, path) => toEdge({ ":path": path, ":authority": SITE }),
    gets: "302 to the login",
    why: "Access does not depend on the protocol",
  },
  {
    name: "no credentials from a script",
    from: "out",
    shot: (_, path) => toEdge(get(path, "X-Requested-With: XMLHttpRequest")),
    gets: "401 Unauthorized",
    why: "a script cannot follow the way to the login",
  },
  {
    name: "a preflight without credentials",
    from: "out",
    shot: (_, path) => toEdge(lines(`OPTIONS ${path} HTTP/1.1`, `Host: ${SITE}`, "Origin: https://mallory.example")),
    gets: "403 Forbidden",
    why: "options_preflight_bypass is off: it would let anything pass that says OPTIONS",
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
    why: "a websocket begins as a request like any other",
  },
  // --- tokens of Access -----------------------------------------------------------------------------------------------
  {
    name: "a token signed with another key",
    from: "out",
    shot: ({ jwts: { forged } }, path) => toEdge(get(path, cookie(forged))),
    gets: "302 to the login",
    why: NO_LOGIN,
  },
  {
    name: "a token with another person's address put in",
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
    why: "a login ends after sessionDuration",
  },
  {
    name: "a token without a signature (alg none)",
    from: "out",
    shot: ({ jwts: { unsigned } }, path) => toEdge(get(path, cookie(unsigned))),
    gets: "302 to the login",
    why: "RS256 is the only algorithm",
  },
  {
    name: "a token signed with the public key as a shared secret (alg HS256)",
    from: "out",
    shot: ({ jwts: { symmetric } }, path) => toEdge(get(path, cookie(symmetric))),
    gets: "302 to the login",
    why: "RS256 is the only algorithm",
  },
  {
    name: "a token of another application",
    from: "out",
    shot: ({ jwts: { otherApplication } }, path) => toEdge(get(path, cookie(otherApplication))),
    gets: "302 to the login",
    why: "its audience is another one",
  },
  {
    name: "a token of another team",
    from: "out",
    shot: ({ jwts: { otherTeam } }, path) => toEdge(get(path, cookie(otherTeam))),
    gets: "302 to the login",
    why: "its issuer is another one",
  },
  {
    name: "a token for the team's domain",
    from: "out",
    shot: ({ jwts: { teamDomain } }, path) => toEdge(get(path, cookie(teamDomain))),
    gets: "302 to the login",
    why: "it is for another purpose",
  },
  {
    name: "a forged token in the header that only the edge may set",
    from: "out",
    shot: ({ jwts: { forged } }, path) => toEdge(get(path, `Cf-Access-Jwt-Assertion: ${forged}`)),
    gets: "302 to the login",
    why: NO_LOGIN,
  },
  {
    name: "a person's name in the header that some origins believe",
    from: "out",
    shot: (_, path) => toEdge(get(path, "Cf-Access-Authenticated-User-Email: anna@example.com")),
    gets: "302 to the login",
    why: "a name without a signature is none",
  },
  // --- service tokens -------------------------------------------------------------------------------------------------
  {
    name: "a device with a wrong secret",
    from: "out",
    shot: ({ tokens: { phone } }, path) => toEdge(get(path, ...credentials({ ...phone, clientSecret: "wrong" }))),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "a device with its id and no secret",
    from: "out",
    shot: ({ tokens: { phone } }, path) => toEdge(get(path, `CF-Access-Client-Id: ${phone.clientId}`)),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "the secret of a device under another's id",
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
    why: "rotated without a grace period, it is worthless at once",
  },
  {
    name: "a deleted token",
    from: "out",
    shot: ({ tokens: { deleted } }, path) => toEdge(get(path, ...credentials(deleted))),
    gets: "401 Unauthorized",
    why: "a lost phone is cut off at once",
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
    why: "tokens end after tokenDuration",
  },
  {
    name: "a good service token of the account, for another application",
    from: "out",
    shot: ({ tokens: { other } }, path) => toEdge(get(path, ...credentials(other))),
    gets: "403 Forbidden",
    why: "the policy names the devices' own tokens, not any that is valid",
  },
  {
    name: "a good token and a wrong one in the same request",
    from: "out",
    shot: ({ tokens: { phone, deleted } }, path) => toEdge(get(path, ...credentials(phone), ...credentials(deleted))),
    gets: "401 Unauthorized",
    why: "two are none: which one counts would be a matter of taste",
  },
  {
    name: "a good token's secret twice",
    from: "out",
    shot: ({ tokens: { phone } }, path) =>
      toEdge(get(path, ...credentials(phone), `CF-Access-Client-Secret: ${phone.clientSecret}`)),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "a person's login together with a wrong service token",
    from: "out",
    shot: ({ jwts: { person }, tokens: { deleted } }, path) =>
      toEdge(get(path, cookie(person), ...credentials(deleted))),
    gets: "401 Unauthorized",
    why: STRICT,
  },
  {
    name: "a good token in the query",
    from: "out",
    shot: ({ tokens: { phone } }, path) =>
      toEdge(get(`${path}?CF-Access-Client-Id=${phone.clientId}&CF-Access-Client-Secret=${phone.clientSecret}`)),
    gets: "302 to the login",
    why: "addresses end up in logs and histories: no credentials there",
  },
  {
    name: "a good token in headers with underscores",
    from: "out",
    shot: ({ tokens: { phone } }, path) =>
      toEdge(
        get(path, ...credentials(phone).map((header) => header.replace(/^CF-Access-Client-/, "CF_Access_Client_"))),
      ),
    gets: "302 to the login",
    why: "they are other headers",
  },
];
