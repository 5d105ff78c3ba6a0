// Service tokens on a request: which it carries, and whether they are valid.

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { AccessApp, ServiceToken, State } from "../api/state.ts";
import { valuesOf } from "../edge/headers.ts";

/** What a request carries: nothing, something that cannot be a token (half of one, or two), or a pair to check. */
export type Credentials = "none" | "broken" | { id: string; secret: string };

/** The pair in a single header's JSON. A value that is no such JSON belongs to the application and is no credential. */
function inOneHeader(value: string): Credentials {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return "none";
  }
  if (typeof parsed !== "object" || parsed === null) return "none";
  const entries = Object.entries(parsed).map(([name, entry]) => [name.toLowerCase(), entry as unknown] as const);
  const named = (name: string): unknown[] => entries.filter(([own]) => own === name).map(([, entry]) => entry);
  return pair(named("cf-access-client-id"), named("cf-access-client-secret"));
}

function pair(ids: unknown[], secrets: unknown[]): Credentials {
  if (ids.length === 0 && secrets.length === 0) return "none";
  const [id, secret] = [ids[0], secrets[0]];
  if (ids.length !== 1 || secrets.length !== 1 || typeof id !== "string" || typeof secret !== "string") return "broken";
  return { id, secret };
}

/** The service token credentials of a request to the application. */
export function credentialsOf(request: IncomingMessage, app: AccessApp): Credentials {
  const own = pair(valuesOf(request, "cf-access-client-id"), valuesOf(request, "cf-access-client-secret"));
  const header = app.read_service_tokens_from_header?.toLowerCase();
  const values = header === undefined ? [] : valuesOf(request, header);
  const found = [own, ...values.map(inOneHeader)].filter((credentials) => credentials !== "none");
  return found.length > 1 ? "broken" : (found[0] ?? "none");
}

function hashMatches(secret: string, hash: string | null): boolean {
  const given = createHash("sha256").update(secret).digest();
  const wanted = Buffer.from(hash ?? "", "hex");
  // An unknown id takes a comparison too, so that timing does not reveal which ids exist.
  return timingSafeEqual(given, wanted.length === given.length ? wanted : Buffer.alloc(given.length));
}

const past = (time: string | null): boolean => time !== null && Date.parse(time) <= Date.now();

/** The account's token with this client id if it is in use: not disabled, not expired. */
export function usableToken(state: State, accountId: string, id: string): ServiceToken | undefined {
  const token = state.service_tokens.find((one) => one.account_id === accountId && one.client_id === id);
  return token !== undefined && token.enabled && !past(token.expires_at) ? token : undefined;
}

/** The token that the credentials prove, or undefined. A rotated secret still works until it expires. */
export function authenticate(state: State, accountId: string, credentials: Credentials): ServiceToken | undefined {
  if (typeof credentials === "string") return undefined;
  const token = usableToken(state, accountId, credentials.id);
  const current = hashMatches(credentials.secret, token?.secret_hash ?? null);
  const previousEnds = token?.previous_client_secret_expires_at ?? null;
  const previous =
    hashMatches(credentials.secret, token?.previous_secret_hash ?? null) &&
    previousEnds !== null &&
    !past(previousEnds);
  return current || previous ? token : undefined;
}
