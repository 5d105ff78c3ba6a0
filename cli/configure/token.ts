import type { ApiError } from "../../components/cloudflare-api.ts";
import { ApiProblem, exchange, inWords, isWithoutTeam, type Reply, TEAM_ADVICE } from "../doctor/cloudflare/api.ts";
import { CommandError } from "../lib/command.ts";

/** A permission that the API token needs. */
export interface Permission {
  /** Name in the dashboard. */
  name: string;
  /** Key in the links that fill in the dashboard's form; absent if Cloudflare documents none. */
  key?: string;
  /** A request that needs this permission and never changes anything. */
  probe: (zone: string, account: string) => { method: "GET" | "DELETE" | "PATCH"; path: string };
}

// No object has these ids, so the requests delete nothing.
const NO_ID = "0".repeat(32);
const NO_UUID = "00000000-0000-0000-0000-000000000000";

const zone = (name: string, key: string | undefined, method: "GET" | "DELETE" | "PATCH", path: string): Permission => ({
  name: `Zone, ${name}, Edit`,
  ...(key !== undefined && { key }),
  probe: (id) => ({ method, path: `/zones/${id}/${path}` }),
});
const account = (name: string, path: string, key?: string): Permission => ({
  name: `Account, ${name}, Edit`,
  ...(key !== undefined && { key }),
  probe: (_zone, id) => ({ method: "DELETE", path: `/accounts/${id}/access/${path}/${NO_UUID}` }),
});

/** All that the program needs, in the order in which the dashboard lists it. */
export const PERMISSIONS: readonly Permission[] = [
  zone("DNS", "dns", "DELETE", `dns_records/${NO_ID}`),
  zone("SSL and Certificates", "ssl_and_certificates", "DELETE", `origin_tls_client_auth/${NO_UUID}`),
  zone("Zone Settings", "zone_settings", "PATCH", "settings/immich_access_has_no_such_setting"),
  account("Access: Apps and Policies", "apps", "access"),
  account("Access: Service Tokens", "service_tokens"),
  account("Access: Organizations, Identity Providers, and Groups", "identity_providers", "access_acct"),
];

/**
 * What another port than 443 needs on top: to read the zone's origin rules, and to change them. Cloudflare documents no
 * key for it, and calls it `Origin Write` in its API.
 */
export const ORIGIN_RULES: readonly Permission[] = [
  zone("Origin Rules", undefined, "GET", "rulesets/phases/http_request_origin/entrypoint"),
  zone("Origin Rules", undefined, "DELETE", `rulesets/${NO_ID}/rules/${NO_ID}`),
];

/** What Cloudflare's emails before something ends need on top. Cloudflare documents no key for it. */
export const NOTIFICATIONS: readonly [Permission] = [
  {
    name: "Account, Notifications, Edit",
    probe: (_zone, id) => ({ method: "DELETE", path: `/accounts/${id}/alerting/v3/policies/${NO_ID}` }),
  },
];

/**
 * Address of the dashboard's form for a new token with the permissions filled in (API token template URLs). Cloudflare
 * documents no key for the permission on service tokens.
 */
export const TOKEN_FORM = (() => {
  const keys = PERMISSIONS.flatMap(({ key }) => (key === undefined ? [] : [{ key, type: "edit" }]));
  const query = new URLSearchParams({
    permissionGroupKeys: JSON.stringify([{ key: "zone", type: "read" }, ...keys]),
    accountId: "*",
    zoneId: "all",
    name: "immich-access",
  });
  return `https://dash.cloudflare.com/profile/api-tokens?${query.toString()}`;
})();

/** Remedy for missing permissions. */
export const TOKEN_ADVICE =
  `Create a token with this link, which fills in the form, and add "Account, Access: Service Tokens, Edit" to it:\n` +
  TOKEN_FORM;

const ANSWER_MS = 15_000;

/** How long a refusal is not believed: Cloudflare refuses a token that was just made for some seconds. */
export const PATIENCE_MS = 10_000;

/** The account has no Zero Trust team, so that nothing can be said about the token's permissions for Access. */
export class NoTeam extends CommandError {
  public constructor(errors: readonly ApiError[]) {
    const said = errors.length === 0 ? "" : ` (${errors.map(inWords).join(", ")})`;
    super(`the account has no Zero Trust team yet: ${TEAM_ADVICE}, and run this again${said}`);
  }
}

/** Permissions that a token lacks. */
export interface Lacking {
  names: string[];
  /** Cloudflare's own words about them. */
  said: string[];
}

/**
 * The permissions that a token lacks.
 *
 * Each permission is probed by a request for an object that does not exist, so nothing can change. Cloudflare checks
 * the permission first: 401, and 403 that stays, mean that it is missing, any other error that the token has it.
 *
 * @throws NoTeam if the account has no Zero Trust team; CommandError if the API does not answer
 */
export async function missingPermissions(
  baseUrl: string,
  token: string,
  ids: { zoneId: string; accountId: string },
  patienceMs: number,
  permissions = PERMISSIONS,
): Promise<Lacking> {
  const results = await Promise.all(
    permissions.map(async ({ name, probe }) => {
      const { method, path } = probe(ids.zoneId, ids.accountId);
      const { status, errors } = await ask(baseUrl, token, method, path, patienceMs);
      return status === 401 || status === 403 ? [{ name, errors }] : [];
    }),
  );
  const lacking = results.flat();
  const without = lacking.find(isWithoutTeam);
  if (without) throw new NoTeam(without.errors);
  return {
    names: lacking.map(({ name }) => name),
    said: [...new Set(lacking.flatMap(({ errors }) => errors.map(inWords)))],
  };
}

async function ask(
  baseUrl: string,
  token: string,
  method: "GET" | "DELETE" | "PATCH",
  path: string,
  patienceMs: number,
): Promise<Reply> {
  const body = method === "PATCH" ? { value: "on" } : undefined;
  const call = { method, url: baseUrl + path, token, timeout: ANSWER_MS, body };
  const reply = await exchange(call, patienceMs).catch(() => {
    throw new CommandError(`the API at ${baseUrl} does not answer; check the network`);
  });
  if (reply.status === 429 || reply.status >= 500) {
    throw new CommandError(`the API answers ${reply.status.toString()}; try again in a few minutes`);
  }
  return reply;
}

/** Turns a failed call to the API into a message for a person. */
export function apiError(error: unknown): unknown {
  if (!(error instanceof ApiProblem)) return error;
  if (error.status === 401 || error.status === 403 || error.status === 400) {
    return new CommandError(`Cloudflare does not accept the API token for ${error.path}: ${error.message}`);
  }
  return new CommandError(`the API request failed (${error.path}): ${error.message}`);
}
