// Resources that belong to an account or to a zone.
import type { Existing } from "../../sdk/plugin.ts";
import type { Failure } from "../../sdk/shape.ts";
import type { Values } from "../../sdk/values.ts";
import type { Fields } from "../fields.ts";

/** The fields that name the owner: one of them is needed. */
export const scopeFields = {
  accountId: { type: "string", mode: "path", either: true, replaces: true },
  zoneId: { type: "string", mode: "path", either: true, replaces: true },
} as const satisfies Fields;

/** Where the owner's resources are. */
export function scope({ accountId, zoneId }: Values): string {
  return accountId === undefined ? `zones/${zoneId as string}` : `accounts/${accountId as string}`;
}

/** The owner is named, and named once. */
export function checkScope({ accountId, zoneId }: Values): Failure[] {
  return (accountId === undefined) === (zoneId === undefined)
    ? [{ property: "accountId", reason: "or zoneId is required, and not both" }]
    : [];
}

/** The id for an import, `accounts/<account id>/<id>` or `zones/<zone id>/<id>`. */
export function scopedId(text: string): Existing | undefined {
  const [, kind, owner = "", id = ""] = /^(accounts|zones)\/([^/]+)\/([^/]+)$/.exec(text) ?? [];
  return kind === undefined ? undefined : { id, state: { [kind === "accounts" ? "accountId" : "zoneId"]: owner } };
}
