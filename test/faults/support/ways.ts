// The ways in which requests to Cloudflare fail, and the delays that it has.

import type { FaultRule } from "../../../dev/sandbox/api/faults.ts";
import type { Options } from "../../../dev/sandbox/api/state.ts";

/** How a request fails. */
export interface Way {
  rule: Partial<FaultRule>;
  /** Whether the request has had its effect. */
  lost?: true;
  kills?: true;
  /** For a refusal that Cloudflare has for certain requests only: method and path. */
  only?: RegExp;
}

/** All ways in which requests fail, by name. */
export const WAYS: Readonly<Record<string, Way>> = {
  "answered 500": { rule: { outcome: "status", status: 500 } },
  "answered 429": { rule: { outcome: "status", status: 429, retryable: true, retry_after: 0 } },
  "answered 403": { rule: { outcome: "status", status: 403, code: 10000, message: "Authentication error" } },
  "cut off before its effect": { rule: { outcome: "cut" } },
  "cut off after its effect": { rule: { outcome: "cut", phase: "after" }, lost: true },
  "answered 500 after its effect": { rule: { outcome: "status", status: 500, phase: "after" }, lost: true },
  "engine killed after its effect": { rule: { outcome: "hold", phase: "after" }, lost: true, kills: true },
  "answered 403, as for a new token": {
    rule: { outcome: "status", status: 403, code: 10000, message: "Unable to authenticate request" },
    only: /access\/|certificates/,
  },
  "answered 400, a policy not found": {
    rule: { outcome: "status", status: 400, code: 12133, message: "access.api.error.policy_not_found" },
    only: /^(POST|PUT) .*\/access\/apps/,
  },
  "answered 400, a certificate in use": {
    rule: { outcome: "status", status: 400, code: 1433, message: "The certificate is in use." },
    only: /^DELETE .*\/origin_tls_client_auth\/hostnames\/certificates\//,
  },
  "answered 400, a certificate uploaded before": {
    rule: { outcome: "status", status: 400, code: 1406, message: "The certificate has already been uploaded." },
    only: /^POST .*\/origin_tls_client_auth\/hostnames\/certificates/,
  },
};

/** What Cloudflare takes long for, and how much longer an `up` lasts then. */
export const DELAYS: Readonly<Record<string, Partial<Options>>> = {
  "Access in force late": { access_enforcement_ms: 20_000 },
  "policies found late": { access_policy_ms: 20_000 },
  "origin pulls in force late": { origin_pull_activation_ms: 10_000, origin_pull_association_ms: 10_000 },
};
