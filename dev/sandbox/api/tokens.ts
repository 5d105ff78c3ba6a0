// Authentication and permissions of API tokens. Permission groups are named as the API names them ("... Write").

import { createHash } from "node:crypto";
import type { Context } from "hono";
import { ApiError, forbidden } from "./answers.ts";
import type { ApiToken, State } from "./state.ts";

/** What the program's own token needs: one zone, one account, nothing else. */
export const PROGRAM_PERMISSIONS: readonly string[] = [
  "Zone Read",
  "DNS Write",
  "SSL and Certificates Write",
  "Zone Settings Write",
  "Access: Apps and Policies Write",
  "Access: Organizations, Identity Providers, and Groups Write",
  "Access: Service Tokens Write",
];

export const hash = (secret: string): string => createHash("sha256").update(secret).digest("hex");

/** Whether `token` holds the permission group; "X Write" includes "X Read". */
function holds(token: ApiToken, permission: string): boolean {
  return token.permissions.includes(permission) || token.permissions.includes(permission.replace(/ Read$/, " Write"));
}

/** The state's token for a request, by its Authorization header. Throws the error that Cloudflare answers with. */
export function authenticate(state: Readonly<State>, headers: Headers): ApiToken {
  const authorization = headers.get("authorization");
  if (authorization === null) {
    if (headers.has("x-auth-user-service-key") || headers.has("x-auth-key")) {
      throw new ApiError(403, 9103, "Unknown X-Auth-Key or X-Auth-Email");
    }
    throw new ApiError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers");
  }
  const secret = /^Bearer ([0-9A-Za-z_-]{40,80})$/.exec(authorization)?.[1];
  if (secret === undefined) {
    const error = new ApiError(400, 6003, "Invalid request headers");
    for (const entry of error.errors) {
      entry.error_chain = [{ code: 6111, message: "Invalid format for Authorization header" }];
    }
    throw error;
  }
  const wanted = hash(secret);
  const token = state.api_tokens.find((candidate) => candidate.secret_hash === wanted);
  if (token === undefined) throw new ApiError(401, 1000, "Invalid API Token");
  return token;
}

/** Throws unless the token is in use: known everywhere, not disabled, not expired. */
export function requireActive(token: ApiToken): void {
  if (Date.parse(token.usable_from ?? "") > Date.now()) {
    throw new ApiError(403, 10000, "Unable to authenticate request");
  }
  if (token.status !== "active") throw new ApiError(403, 9109, "Invalid access token");
  if (token.expires_on !== null && Date.parse(token.expires_on) <= Date.now()) {
    throw new ApiError(403, 9109, "Invalid access token");
  }
}

/** What a token's permission applies to: a zone or an account. */
export type Scope = { zone: string } | { account: string };

/** Whether the token holds one of the permission groups in this zone or account. */
export function allows(token: ApiToken, scope: Scope, ...permissions: string[]): boolean {
  const [ids, id] = "zone" in scope ? [token.zones, scope.zone] : [token.accounts, scope.account];
  return (ids.includes("*") || ids.includes(id)) && permissions.some((permission) => holds(token, permission));
}

/** Context variables that the gate sets for the routes. */
export interface Variables {
  Variables: { token: ApiToken };
}

/** Throws 403 unless the request's token holds one of the permission groups in this zone or account. */
export function demand(c: Context<Variables>, scope: Scope, ...permissions: string[]): void {
  if (!allows(c.get("token"), scope, ...permissions)) throw forbidden();
}
