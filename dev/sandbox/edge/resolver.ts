// What names outside the account's zones resolve to. The sandbox has no public DNS: tests say which names there are.

import type { State } from "../api/state.ts";

/** What a name resolves to for the edge; `foreign` if it lies in another Cloudflare account's zone. */
export type Resolved = string[] | "foreign";

/** Resolves a name by the state that the edge has now. */
export type Resolve = (state: State, name: string) => Resolved;

const hosts: (zone: string, name: string) => boolean = (zone, name) => name === zone || name.endsWith(`.${zone}`);

/** A resolver that keeps an answer for as long as the sandbox's options say, whatever has happened to the name since. */
export function cachingResolver(now: () => number = Date.now): Resolve {
  const kept = new Map<string, { addresses: string[]; until: number }>();
  return ({ options }, name) => {
    if (options.foreign_zones.some((zone) => hosts(zone, name))) return "foreign";
    const known = kept.get(name);
    if (known !== undefined && now() < known.until) return known.addresses;
    const addresses = options.public_names[name] ?? [];
    kept.set(name, { addresses, until: now() + options.public_names_ttl_ms });
    return addresses;
  };
}
