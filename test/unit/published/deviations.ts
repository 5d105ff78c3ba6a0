// Where requests and answers are known to differ from the types that Cloudflare publishes. A test fails once one of these
// is not needed any more.

/** Fields that are not as published. */
export interface Deviation {
  /** The request, as in the table of operations but with the real end of its path. `*` stands for any text. */
  request: string;
  part: "body" | "query" | "result" | "read";
  /** Names without the `[].` of a list. Undefined: whatever the answer holds. */
  fields?: readonly string[];
  reason: string;
}

const ACCESS = "/accounts/ACCOUNT/access";
const PULLS = "/zones/ZONE/origin_tls_client_auth";

export const DEVIATIONS: readonly Deviation[] = [
  {
    request: "* /zones/ZONE/settings/ssl_automatic_mode",
    part: "result",
    reason: "Cloudflare's documentation has this setting, the types of the settings leave it out",
  },
  {
    request: `PUT ${ACCESS}/apps/*`,
    part: "body",
    fields: ["allowed_idps", "auto_redirect_to_identity"],
    reason: "the provider clears a field that is no longer given with null",
  },
  {
    request: `* ${ACCESS}/apps*`,
    part: "result",
    fields: ["created_at", "updated_at", "policies[].app_count", "policies[].reusable"],
    reason: "times were in the types until 4.5.0, a policy alone still has the other fields",
  },
  {
    request: `GET ${ACCESS}/apps`,
    part: "read",
    fields: ["created_at", "updated_at"],
    reason:
      "how old an application is; one without them counts as old to the doctor, and as new before nginx serves it",
  },
  {
    request: `* ${ACCESS}/service_tokens*`,
    part: "result",
    fields: ["created_at", "updated_at", "client_secret_version", "previous_client_secret_expires_at"],
    reason: "times were in the types until 4.5.0, the others are accepted in requests; no deployment reads them",
  },
  {
    request: `PUT ${ACCESS}/service_tokens/*`,
    part: "result",
    fields: ["client_secret"],
    reason: "a higher version answers with the new secret, which the provider was recorded to take",
  },
  {
    request: `POST ${ACCESS}/service_tokens`,
    part: "result",
    fields: ["expires_at"],
    reason: "published for every other answer about a token; the output tokenExpiry is from here until a refresh",
  },
  {
    request: `GET ${ACCESS}/service_tokens`,
    part: "read",
    fields: ["previous_client_secret_expires_at"],
    reason: "the doctor says nothing about a rotation where it is absent",
  },
  {
    request: `GET ${ACCESS}/organizations`,
    part: "result",
    fields: ["created_at", "updated_at"],
    reason: "in the types until 4.5.0; nothing of ours reads them",
  },
  {
    request: `* ${PULLS}*`,
    part: "result",
    fields: ["serial_number"],
    reason: "the provider's schema has it for certificates of the zone as well; nothing of ours reads it",
  },
  {
    request: `GET ${PULLS}*`,
    part: "query",
    fields: ["page", "per_page"],
    reason: "all lists are asked in one way; these are published without pages",
  },
  {
    request: "GET /zones/ZONE/workers/routes",
    part: "query",
    fields: ["page", "per_page"],
    reason: "the same",
  },
  {
    request: "GET /accounts/ACCOUNT/alerting/v3/policies",
    part: "query",
    fields: ["page", "per_page"],
    reason: "the same",
  },
  {
    request: "DELETE /accounts/ACCOUNT/alerting/v3/policies/*",
    part: "result",
    reason: "published is the envelope, of which nothing of ours reads more than its success",
  },
  {
    request: "GET /certificates*",
    part: "result",
    fields: ["csr", "requested_validity"],
    reason: "published for every answer; others have seen them in the answer to the creation only",
  },
  {
    request: "GET /certificates",
    part: "read",
    fields: ["revoked_at"],
    reason: "published for the answer to a revocation only; a certificate without it counts as not revoked",
  },
];
