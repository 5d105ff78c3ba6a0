// Finds the zone or account that a path names, for a token that may touch it.

import type { Context } from "hono";
import { forbidden } from "../answers.ts";
import type { Account, State, Zone } from "../state.ts";
import type { Store } from "../store.ts";
import { demand, type Variables } from "../tokens.ts";

/**
 * The zone of the path's `:zone`. Throws 403 unless the token holds one of the permissions there; a zone that does
 * not exist looks the same as one that belongs to somebody else.
 */
export function zoneFor(store: Store, c: Context<Variables>, ...permissions: string[]): Zone {
  const id = c.req.param("zone") ?? "";
  demand(c, { zone: id }, ...permissions);
  const zone = store.state.zones.find((candidate) => candidate.id === id);
  if (zone === undefined) throw forbidden();
  return zone;
}

/** The account of the path's `:account`, in the same way. */
export function accountFor(store: Store, c: Context<Variables>, ...permissions: string[]): Account {
  const id = c.req.param("account") ?? "";
  demand(c, { account: id }, ...permissions);
  const account = store.state.accounts.find((candidate) => candidate.id === id);
  if (account === undefined) throw forbidden();
  return account;
}

/** The zone that a host name lies under (the longest match), if there is one. */
export function zoneOfHost(state: Readonly<State>, host: string): Zone | undefined {
  return state.zones
    .filter((zone) => host === zone.name || host.endsWith(`.${zone.name}`))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

/** Whether the text is a host name, possibly with a wildcard as its first label. Lower case is expected. */
export function isHostname(text: string): boolean {
  return (
    text.length <= 253 &&
    /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)
  );
}
