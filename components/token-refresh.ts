import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./cloudflare-account.ts";
import { FOREVER, isTokenDue, NEVER } from "./token-end.ts";

/** How the stack keeps its service tokens from ending. */
export interface TokenRefresh {
  accountId: string;
  /** The setting `tokenDuration`. */
  duration: string;
  /** Whether an `up` refreshes a token that is due. */
  enabled: boolean;
  /** Opens a client of the API. */
  open: () => Promise<Account>;
}

/** A device's service token as the state has it. */
export interface StoredToken {
  device: string;
  /** Its name at Cloudflare. */
  name: string;
  id: string;
  clientId: string;
  /** RFC 3339; `undefined` if the last answer of the API did not have it. */
  expiresAt: string | undefined;
}

/** A service token as the API has it. */
interface CurrentToken {
  name?: unknown;
  client_id?: unknown;
  enabled?: unknown;
  expires_at?: unknown;
}

/**
 * When a token ends, after an `up` has refreshed it if it is due. The secret stays, so the device keeps its headers.
 *
 * It is no hook: the engine runs hooks only for what it changes, and a refresh changes none of the token's inputs. The
 * state keeps the former end until a `pulumi up --refresh`, so a due token is looked up first; a token that is not due
 * costs no request. A preview looks it up and refreshes nothing.
 *
 * Nothing here fails: a token that cannot be refreshed still works until its end, and the next `up` tries again.
 *
 * @returns RFC 3339, or `never`
 */
export async function keepAlive(
  token: StoredToken,
  { accountId, duration, enabled, open }: TokenRefresh,
  { now = new Date(), preview = pulumi.runtime.isDryRun() } = {},
): Promise<string> {
  if (duration === FOREVER) return NEVER;
  const stored = token.expiresAt ?? "";
  if (!enabled || !isTokenDue(stored, now, duration)) return stored;
  const path = `accounts/${accountId}/access/service_tokens/${token.id}`;
  try {
    const api = await open();
    const current = await api.find<CurrentToken>(path);
    const refusal = refuse(token, current);
    if (refusal !== undefined) {
      await pulumi.log.warn(`The token of ${token.device} ${refusal}; it is not refreshed.`);
      return stored;
    }
    const end = endOf(current);
    if (!isTokenDue(end, now, duration)) return end;
    if (preview) {
      await pulumi.log.info(`The token of ${token.device} ${ending(end, now)}: \`pulumi up\` refreshes it by a year.`);
      return end;
    }
    const refreshed = endOf(await api.post<CurrentToken>(`${path}/refresh`));
    if (isTokenDue(refreshed, now, duration)) throw new Error(`its end is still ${refreshed || "not readable"}`);
    await pulumi.log.info(
      `The token of ${token.device} has been refreshed and now ends on ${day(refreshed)}. The device keeps its headers.`,
    );
    return refreshed;
  } catch (error) {
    const problem = `${ending(stored, now)} and could not be ${preview ? "looked up" : "refreshed"}`;
    await pulumi.log.warn(
      `The token of ${token.device} ${problem}: ${(error as Error).message}. The next \`pulumi up\` tries again; ` +
        "docs/renew.md says how to do it by hand.",
    );
    return stored;
  }
}

/** Why a token is left alone. A refresh must revive nothing that its owner has taken away. */
function refuse({ name, clientId }: StoredToken, current: CurrentToken | undefined): string | undefined {
  if (!current) return "has been deleted at Cloudflare (`pulumi up --refresh` makes a new one)";
  if (current.enabled === false) return "has been disabled at Cloudflare";
  if (current.name !== name || current.client_id !== clientId) return "is another one at Cloudflare than in the state";
  return undefined;
}

const endOf = ({ expires_at: end }: CurrentToken = {}): string => (typeof end === "string" ? end : "");

const day = (end: string): string => new Date(end).toISOString().slice(0, 10);

function ending(end: string, now: Date): string {
  const time = Date.parse(end);
  if (Number.isNaN(time)) return "has no known end";
  return `${time <= now.getTime() ? "ended" : "ends"} on ${day(end)}`;
}
