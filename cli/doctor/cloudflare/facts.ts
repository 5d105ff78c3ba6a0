// The parts of Cloudflare's API responses that the checks need, under the API's own names.

/** A zone: GET /zones and /zones/{zone}. */
export interface Zone {
  id: string;
  /** An international name is in Unicode. */
  name: string;
  /** `active` once its name servers are Cloudflare's. */
  status?: string;
  paused?: boolean;
  /** `full` where Cloudflare has the DNS records. */
  type?: string;
  /** Cloudflare's name servers for the zone. */
  name_servers?: readonly string[] | null;
}

/** The origin rules of a zone, in order: GET /zones/{zone}/rulesets/phases/http_request_origin/entrypoint. */
export interface Ruleset {
  rules?: readonly RulesetRule[];
}

/** One of them. */
export interface RulesetRule {
  ref?: string;
  description?: string;
  expression?: string;
  /** Absent: it is. */
  enabled?: boolean;
  action_parameters?: { origin?: { port?: number } };
}

/** A DNS record: GET /zones/{zone}/dns_records. */
export interface DnsRecord {
  name: string;
  type: string;
  content: string;
  proxied: boolean;
}

/** One rule of an Access policy: a selector and its value. */
export type Rule = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** A policy in the list of its application. */
export interface Policy {
  name: string;
  decision: string;
  precedence: number;
  include: readonly Rule[];
}

/** An Access application: GET /accounts/{account}/access/apps. */
export interface Application {
  id: string;
  aud: string;
  name: string;
  domain?: string | null;
  destinations?: readonly { type?: string; uri?: string }[] | null;
  created_at?: string;
  updated_at?: string;
  policies?: readonly Policy[];
  allowed_idps?: readonly string[];
}

/** A service token: GET /accounts/{account}/access/service_tokens. The response never contains its secret. */
export interface ServiceToken {
  id: string;
  name: string;
  client_id: string;
  /** Absent for one that never expires. */
  expires_at?: string;
  /** Absent in some responses; such a token is enabled. */
  enabled?: boolean;
  previous_client_secret_expires_at?: string;
}

/** GET /accounts/{account}/access/identity_providers. */
export interface IdentityProvider {
  id: string;
  name: string;
  type: string;
}

/** GET /accounts/{account}/access/organizations. */
export interface Organization {
  auth_domain: string;
  /** Absent where the organisation is older than the setting. */
  strict_service_token_auth?: boolean;
}

/** A certificate that Cloudflare presents to origins: GET /zones/{zone}/origin_tls_client_auth/… */
export interface PullCertificate {
  /** PEM. */
  certificate: string;
  /** `active` once the edge uses it. */
  status: string;
  expires_on: string;
  uploaded_on?: string;
}

/** The origin pulls of a site. */
export interface OriginPulls {
  enabled: boolean;
  /** The certificate of our own; absent in the mode `shared`. */
  certificate?: PullCertificate;
}

/** An Origin CA certificate: GET /certificates. */
export interface OriginCertificate {
  /** PEM. */
  certificate: string;
  revoked_at?: string;
}

/** To whom Cloudflare writes about one type of event: GET /accounts/{account}/alerting/v3/policies. */
export interface NotificationPolicy {
  id?: string;
  name?: string;
  alert_type?: string;
  enabled?: boolean;
  mechanisms?: { email?: readonly { id?: string }[] };
}

/** GET /ips. */
export interface IpRanges {
  ipv4_cidrs: readonly string[];
  ipv6_cidrs: readonly string[];
}
