// cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication
import { resource } from "../resource.ts";
import { checkScope, scope, scopedId, scopeFields } from "./scope.ts";

const flag = { type: "boolean", mode: "optional" } as const;
const text = { type: "string", mode: "optional" } as const;
const list = { type: ["string"], mode: "optional" } as const;

const collection = (values: Parameters<typeof scope>[0]) => `${scope(values)}/access/apps`;

export const accessApplication = resource({
  fields: {
    ...scopeFields,
    name: { type: "string", mode: "kept" },
    type: { type: "string", mode: "kept" },
    domain: { type: "string", mode: "kept" },
    destinations: {
      type: [
        {
          properties: {
            type: { type: "string" },
            uri: { type: "string" },
            cidr: { type: "string" },
            hostname: { type: "string" },
            l4Protocol: { type: "string" },
            portRange: { type: "string" },
            vnetId: { type: "string" },
          },
        },
      ],
      mode: "kept",
    },
    selfHostedDomains: { type: ["string"], mode: "kept" },
    // Always sent: to the API, no list means "as it is", and an empty one "none".
    policies: {
      type: [{ properties: { id: { type: "string", required: true }, precedence: { type: "number" } } }],
      mode: "optional",
      expanded: true,
      absent: [],
    },
    allowedIdps: { ...list, unordered: true },
    appLauncherVisible: { type: "boolean", mode: "kept", default: true },
    httpOnlyCookieAttribute: { type: "boolean", mode: "kept", default: true },
    sessionDuration: { type: "string", mode: "kept", default: "24h" },
    allowAuthenticateViaWarp: flag,
    appLauncherLogoUrl: text,
    autoRedirectToIdentity: flag,
    corsHeaders: {
      type: {
        properties: {
          allowAllHeaders: { type: "boolean" },
          allowAllMethods: { type: "boolean" },
          allowAllOrigins: { type: "boolean" },
          allowCredentials: { type: "boolean" },
          allowedHeaders: { type: ["string"] },
          allowedMethods: { type: ["string"] },
          allowedOrigins: { type: ["string"] },
          maxAge: { type: "number" },
        },
      },
      mode: "optional",
    },
    customDenyMessage: text,
    customDenyUrl: text,
    customNonIdentityDenyUrl: text,
    customPages: list,
    enableBindingCookie: flag,
    logoUrl: text,
    optionsPreflightBypass: flag,
    pathCookieAttribute: flag,
    readServiceTokensFromHeader: text,
    sameSiteCookieAttribute: { ...text, oneOf: ["none", "lax", "strict"] },
    serviceAuth401Redirect: { ...flag, api: "service_auth_401_redirect" },
    skipInterstitial: flag,
    tags: list,
    aud: { type: "string", mode: "computed" },
  },
  create: { method: "POST", path: collection },
  item: (values, id) => `${collection(values)}/${id}`,
  update: "PUT",
  delete: "DELETE",
  imported: scopedId,
  tied: ["domain", "destinations", "selfHostedDomains"],
  check: checkScope,
});
