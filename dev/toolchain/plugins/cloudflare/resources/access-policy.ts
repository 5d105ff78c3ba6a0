// cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy, the reusable kind that belongs to an account.
import type { Failure, Property, Type } from "../../sdk/shape.ts";
import { unknown } from "../../sdk/values.ts";
import type { Value, Values } from "../../sdk/values.ts";
import { resource } from "../resource.ts";

const object = (...names: string[]): Property => ({
  type: { properties: Object.fromEntries(names.map((name) => [name, { type: "string", required: true } as const])) },
});

/** Who a rule is about; each rule has exactly one of these. */
const selectors: Type = {
  properties: {
    anyValidServiceToken: object(),
    certificate: object(),
    commonName: object("commonName"),
    email: object("email"),
    emailDomain: object("domain"),
    emailList: object("id"),
    everyone: object(),
    geo: object("countryCode"),
    group: object("id"),
    ip: object("ip"),
    ipList: object("id"),
    loginMethod: object("id"),
    serviceToken: object("tokenId"),
  },
};

const rules = { type: [selectors], mode: "optional", unordered: true } as const;
const flag = { type: "boolean", mode: "optional" } as const;

function checkRules(inputs: Values): Failure[] {
  return ["includes", "excludes", "requires"].flatMap((name) =>
    (Array.isArray(inputs[name]) ? inputs[name] : []).flatMap((rule: Value, index) =>
      rule === unknown || Object.keys(rule as Values).length === 1
        ? []
        : [{ property: `${name}[${index}]`, reason: "must have exactly one selector" }],
    ),
  );
}

const collection = ({ accountId }: Values) => `accounts/${accountId as string}/access/policies`;

export const accessPolicy = resource({
  fields: {
    accountId: { type: "string", mode: "path", replaces: true },
    name: { type: "string", mode: "required" },
    decision: { type: "string", mode: "required", oneOf: ["allow", "deny", "non_identity", "bypass"] },
    includes: { ...rules, api: "include" },
    excludes: { ...rules, api: "exclude" },
    requires: { ...rules, api: "require" },
    sessionDuration: { type: "string", mode: "kept", default: "24h" },
    approvalRequired: flag,
    isolationRequired: flag,
    purposeJustificationPrompt: { type: "string", mode: "optional" },
    purposeJustificationRequired: flag,
    appCount: { type: "number", mode: "computed" },
    createdAt: { type: "string", mode: "computed" },
    reusable: { type: "boolean", mode: "computed" },
    updatedAt: { type: "string", mode: "computed", follows: true },
  },
  create: { method: "POST", path: collection },
  item: (values, id) => `${collection(values)}/${id}`,
  update: "PUT",
  delete: "DELETE",
  check: checkRules,
});
