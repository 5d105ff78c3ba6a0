// Zero Trust, which an account has only once its owner has chosen a team in the dashboard.

import type { MiddlewareHandler } from "hono";
import { ApiError } from "../answers.ts";
import type { Organization, State } from "../state.ts";
import type { Store } from "../store.ts";
import type { Variables } from "../tokens.ts";

/** The account's Zero Trust organisation. Throws 403 if it has none. */
export function organizationOf(state: Readonly<State>, accountId: string): Organization {
  const organization = state.organizations.find((candidate) => candidate.account_id === accountId);
  if (organization === undefined) throw new ApiError(403, 9999, "access.api.error.not_enabled");
  return organization;
}

/** Refuses every call under `/access` of an account without Zero Trust, whatever the token may do there. */
export function requireZeroTrust(store: Store): MiddlewareHandler<Variables> {
  return async (c, next) => {
    const id = c.req.param("account") ?? "";
    const { accounts } = c.get("token");
    // The routes refuse a token that does not reach the account.
    if (accounts.includes("*") || accounts.includes(id)) organizationOf(store.state, id);
    await next();
  };
}
