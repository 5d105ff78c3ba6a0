// cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken
import type { Values } from "../../sdk/values.ts";
import { resource } from "../resource.ts";
import { checkScope, scope, scopeFields } from "./scope.ts";

const collection = (values: Values) => `${scope(values)}/access/service_tokens`;

export const accessServiceToken = resource({
  fields: {
    ...scopeFields,
    name: { type: "string", mode: "required" },
    duration: { type: "string", mode: "kept", default: "8760h" },
    enabled: { type: "boolean", mode: "kept" },
    // Raising the version makes a new secret; what the API says later about either field does not count.
    clientSecretVersion: { type: "number", mode: "kept", default: 1, once: true },
    previousClientSecretExpiresAt: { type: "string", mode: "optional", once: true },
    clientId: { type: "string", mode: "computed" },
    clientSecret: { type: "string", mode: "computed", once: true, follows: ["clientSecretVersion"] },
    expiresAt: { type: "string", mode: "computed", follows: true },
  },
  secrets: ["clientSecret"],
  create: { method: "POST", path: collection },
  item: (values, id) => `${collection(values)}/${id}`,
  update: "PUT",
  delete: "DELETE",
  check(inputs) {
    const version = "clientSecretVersion";
    const expiry = "previousClientSecretExpiresAt";
    if ((inputs[version] === undefined) === (inputs[expiry] === undefined)) return checkScope(inputs);
    const [given, missing] = inputs[version] === undefined ? [expiry, version] : [version, expiry];
    return [...checkScope(inputs), { property: missing, reason: `is required together with ${given}` }];
  },
});
