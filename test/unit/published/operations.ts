// The requests that the program, the provider and the commands send, and who sends each in Cloudflare's own SDK.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** A method of a class of the SDK. */
export interface SdkMethod {
  /** Module below `cloudflare/resources/`. */
  module: string;
  /** The class there. */
  resource: string;
  method: string;
}

const at =
  (module: string, resource: string) =>
  (method: string): SdkMethod => ({ module, resource, method });

const ips = at("ips/ips", "BaseIPs");
const verification = at("user/tokens/tokens", "BaseTokens");
const zones = at("zones/zones", "BaseZones");
const workers = at("workers/routes", "BaseRoutes");
const settings = at("zones/settings", "BaseSettings");
const records = at("dns/records", "BaseRecords");
const issued = at("origin-ca-certificates/origin-ca-certificates", "BaseOriginCACertificates");
const zonePulls = at("origin-tls-client-auth/zone-certificates", "BaseZoneCertificates");
const hostPulls = at("origin-tls-client-auth/hostname-certificates", "BaseHostnameCertificates");
const pullSettings = at("origin-tls-client-auth/settings", "BaseSettings");
const pullHosts = at("origin-tls-client-auth/hostnames", "BaseHostnames");
const apps = at("zero-trust/access/applications/applications", "BaseApplications");
const policies = at("zero-trust/access/policies", "BasePolicies");
const tokens = at("zero-trust/access/service-tokens", "BaseServiceTokens");
const providers = at("zero-trust/identity-providers/identity-providers", "BaseIdentityProviders");
const organizations = at("zero-trust/organizations/organizations", "BaseOrganizations");

const rulesets = at("rulesets/rulesets", "BaseRulesets");
const phases = at("rulesets/phases/phases", "BasePhases");
const rules = at("rulesets/rules", "BaseRules");

const notifications = at("alerting/policies", "BasePolicies");
const availableAlerts = at("alerting/available-alerts", "BaseAvailableAlerts");

const ALERTING = "/accounts/ACCOUNT/alerting/v3";
const ACCESS = "/accounts/ACCOUNT/access";
const PULLS = "/zones/ZONE/origin_tls_client_auth";
const RULESETS = "/zones/ZONE/rulesets";

/** The SDK's methods by request. `{}` in a path is the name or the id of one thing. */
export const OPERATIONS: Readonly<Record<string, SdkMethod>> = {
  "GET /ips": ips("list"),
  "GET /user/tokens/verify": verification("verify"),
  "GET /zones": zones("list"),
  "GET /zones/ZONE": zones("get"),
  "GET /zones/ZONE/workers/routes": workers("list"),

  "GET /zones/ZONE/settings/{}": settings("get"),
  "PATCH /zones/ZONE/settings/{}": settings("edit"),

  "GET /zones/ZONE/dns_records": records("list"),
  "POST /zones/ZONE/dns_records": records("create"),
  "GET /zones/ZONE/dns_records/{}": records("get"),
  "PUT /zones/ZONE/dns_records/{}": records("update"),
  "PATCH /zones/ZONE/dns_records/{}": records("edit"),
  "DELETE /zones/ZONE/dns_records/{}": records("delete"),

  "GET /certificates": issued("list"),
  "POST /certificates": issued("create"),
  "GET /certificates/{}": issued("get"),
  "DELETE /certificates/{}": issued("delete"),

  [`GET ${PULLS}`]: zonePulls("list"),
  [`POST ${PULLS}`]: zonePulls("create"),
  [`GET ${PULLS}/settings`]: pullSettings("get"),
  [`PUT ${PULLS}/settings`]: pullSettings("update"),
  [`PUT ${PULLS}/hostnames`]: pullHosts("update"),
  [`GET ${PULLS}/hostnames/certificates`]: hostPulls("list"),
  [`POST ${PULLS}/hostnames/certificates`]: hostPulls("create"),
  [`GET ${PULLS}/hostnames/certificates/{}`]: hostPulls("get"),
  [`DELETE ${PULLS}/hostnames/certificates/{}`]: hostPulls("delete"),
  [`GET ${PULLS}/hostnames/{}`]: pullHosts("get"),
  [`GET ${PULLS}/{}`]: zonePulls("get"),
  [`DELETE ${PULLS}/{}`]: zonePulls("delete"),

  [`GET ${RULESETS}/phases/http_request_origin/entrypoint`]: phases("get"),
  [`POST ${RULESETS}`]: rulesets("create"),
  [`DELETE ${RULESETS}/{}`]: rulesets("delete"),
  [`POST ${RULESETS}/{}/rules`]: rules("create"),
  [`PATCH ${RULESETS}/{}/rules/{}`]: rules("edit"),
  [`DELETE ${RULESETS}/{}/rules/{}`]: rules("delete"),

  [`GET ${ACCESS}/apps`]: apps("list"),
  [`POST ${ACCESS}/apps`]: apps("create"),
  [`GET ${ACCESS}/apps/{}`]: apps("get"),
  [`PUT ${ACCESS}/apps/{}`]: apps("update"),
  [`DELETE ${ACCESS}/apps/{}`]: apps("delete"),

  [`GET ${ACCESS}/policies`]: policies("list"),
  [`POST ${ACCESS}/policies`]: policies("create"),
  [`GET ${ACCESS}/policies/{}`]: policies("get"),
  [`PUT ${ACCESS}/policies/{}`]: policies("update"),
  [`DELETE ${ACCESS}/policies/{}`]: policies("delete"),

  [`GET ${ACCESS}/service_tokens`]: tokens("list"),
  [`POST ${ACCESS}/service_tokens`]: tokens("create"),
  [`GET ${ACCESS}/service_tokens/{}`]: tokens("get"),
  [`PUT ${ACCESS}/service_tokens/{}`]: tokens("update"),
  [`DELETE ${ACCESS}/service_tokens/{}`]: tokens("delete"),

  [`GET ${ACCESS}/identity_providers`]: providers("list"),
  [`POST ${ACCESS}/identity_providers`]: providers("create"),
  [`GET ${ACCESS}/identity_providers/{}`]: providers("get"),
  [`DELETE ${ACCESS}/identity_providers/{}`]: providers("delete"),

  [`GET ${ACCESS}/organizations`]: organizations("list"),

  [`GET ${ALERTING}/available_alerts`]: availableAlerts("list"),
  [`GET ${ALERTING}/policies`]: notifications("list"),
  [`POST ${ALERTING}/policies`]: notifications("create"),
  [`GET ${ALERTING}/policies/{}`]: notifications("get"),
  [`PUT ${ALERTING}/policies/{}`]: notifications("update"),
  [`DELETE ${ALERTING}/policies/{}`]: notifications("delete"),
};

/** A request without the ids of the zone and the account. `path` is below /client/v4, without a query. */
export const requestText = (method: string, path: string): string =>
  `${method} ${path.replace(/^\/zones\/\w+/, "/zones/ZONE").replace(/^\/accounts\/\w+/, "/accounts/ACCOUNT")}`;

/** The key in the table for a request in that form; undefined if it is not there. */
export const operationOf = (request: string): string | undefined =>
  [request, request.replace(/\/[^/]+$/, "/{}"), request.replace(/\b[0-9a-f]{32}\b/g, "{}")].find(
    (key) => key in OPERATIONS,
  );

interface Sdk {
  /** Sends the request of a method. */
  call: (operation: SdkMethod, ids: string[], params: Record<string, string>) => Promise<void>;
}

/** The SDK with a `fetch` that never leaves this machine. Its types are left out: they would slow every check of ours. */
function sdk(fetch: (url: string, init: RequestInit) => Promise<Response>): Sdk {
  type Resource = new (client: unknown) => Record<string, (...args: unknown[]) => Promise<unknown>>;
  const load = (name: string) => require(`cloudflare/${name}`) as Record<string, unknown>;
  const { createClient } = load("tree-shakable") as { createClient: (options: object) => unknown };
  const client = createClient({ resources: [], apiToken: "x", maxRetries: 0, fetch });
  return {
    async call({ module, resource, method }, ids, params) {
      const Class = load(`resources/${module}`)[resource] as Resource;
      await new Class(client)[method]?.(...ids, params);
    },
  };
}

/** The request that the SDK sends for an operation, in the form of the table's keys. */
export async function sentBySdk(operation: string): Promise<string> {
  const method = OPERATIONS[operation];
  if (method === undefined) throw new Error(`${operation} is not in the table of operations`);
  let sent = "nothing";
  const { call } = sdk((url, { method = "GET" }) => {
    sent = `${method.toUpperCase()} ${decodeURIComponent(new URL(url).pathname).replace("/client/v4", "")}`;
    return Promise.resolve(Response.json({ success: true, errors: [], messages: [], result: [] }));
  });
  const place: Record<string, string> = {};
  if (operation.includes("/ZONE")) place["zone_id"] = "ZONE";
  if (operation.includes("/ACCOUNT")) place["account_id"] = "ACCOUNT";
  // Of several ids the SDK takes the last one by its place and the others by their names.
  if (operation.endsWith("/rulesets/{}/rules/{}")) place["ruleset_id"] = "{}";
  const [, phase] = /\/phases\/(\w+)\//.exec(operation) ?? [];
  await call(method, phase === undefined ? (operation.includes("{}") ? ["{}"] : []) : [phase], place);
  return sent;
}
