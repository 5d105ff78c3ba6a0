// cloudflare:index/zeroTrustAccessIdentityProvider:ZeroTrustAccessIdentityProvider, as far as one-time PINs need it.
import type { Values } from "../../sdk/values.ts";
import { resource } from "../resource.ts";
import { checkScope, scope, scopeFields } from "./scope.ts";

const collection = (values: Values) => `${scope(values)}/access/identity_providers`;

export const accessIdentityProvider = resource({
  fields: {
    ...scopeFields,
    name: { type: "string", mode: "required" },
    type: { type: "string", mode: "required", replaces: true, oneOf: ["onetimepin"] },
    config: { type: { properties: {} }, mode: "required" },
    scimConfig: { type: "any", mode: "computed" },
  },
  create: { method: "POST", path: collection },
  item: (values, id) => `${collection(values)}/${id}`,
  update: "PUT",
  delete: "DELETE",
  check: checkScope,
});
