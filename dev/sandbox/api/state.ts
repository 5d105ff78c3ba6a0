// The state of the sandbox's Cloudflare. Fields have the real API's names if the real API shows them.

/** A zone with its settings and its authenticated origin pulls. */
export interface Zone {
  id: string;
  /** In ASCII; the API shows an international name in Unicode. */
  name: string;
  account_id: string;
  created_on: string;
  /** Absent: active. Only an active zone that is not paused is served. */
  status?: "initializing" | "pending" | "active" | "moved";
  /** Absent: not paused. */
  paused?: boolean;
  /** Absent: full. */
  type?: "full" | "partial" | "secondary" | "internal";
  /** Absent: Free. */
  plan?: "Free" | "Pro" | "Business" | "Enterprise";
  /** Absent: none. */
  workers_routes?: WorkersRoute[];
  settings: Record<string, ZoneSetting>;
  /** Absent: none. */
  rulesets?: Ruleset[];
  origin_pulls: {
    /** The zone-level switch. */
    enabled: boolean;
    /** Certificates for the zone level, oldest first; the newest active one is presented. */
    certificates: PullCertificate[];
    /** Certificates for single host names. */
    hostname_certificates: PullCertificate[];
    /** Which host name presents which of `hostname_certificates`. */
    hostnames: PullHostname[];
    /** What the edge still does, because `hostnames` has changed a moment ago. */
    changing: PullChange[];
    /** Deleted certificates of both kinds. They stay listed. */
    deleted: DeletedPullCertificate[];
  };
}

/** The rules of one phase, in order. */
export interface Ruleset {
  id: string;
  name: string;
  kind: string;
  phase: string;
  version: string;
  last_updated?: string;
  rules: OriginRule[];
}

/** Where the edge goes for the requests that an expression names. */
export interface OriginRule {
  id: string;
  ref: string;
  version: string;
  description: string;
  expression: string;
  action: "route";
  action_parameters: { origin: { host?: string | undefined; port?: number | undefined } };
  enabled: boolean;
  last_updated: string;
}

/** Which requests go to which Worker, before they go to an origin. */
export interface WorkersRoute {
  id: string;
  pattern: string;
  /** Absent: no Worker takes these requests. */
  script?: string;
}

export interface ZoneSetting {
  value: unknown;
  modified_on: string | null;
}

/** An uploaded client certificate for origin pulls. The private key never leaves the state file and the edge. */
export interface PullCertificate {
  id: string;
  certificate: string;
  private_key: string;
  uploaded_on: string;
  /** From this instant on the status is `active`, before it `pending_deployment`. */
  active_from: string;
}

export interface DeletedPullCertificate extends PullCertificate {
  kind: "certificates" | "hostname_certificates";
  /** From this instant on the status is `deleted`, before it `pending_deletion`. */
  deleted_from: string;
}

export interface PullHostname {
  hostname: string;
  cert_id: string;
  enabled: boolean;
  created_at: string;
  updated_at: string;
}

/** The certificate that the edge presents for a host name until an instant; null for none. */
export interface PullChange {
  hostname: string;
  cert_id: string | null;
  until: string;
}

export interface DnsRecord {
  id: string;
  zone_id: string;
  name: string;
  type: string;
  content: string;
  proxied: boolean;
  ttl: number;
  priority?: number | undefined;
  comment: string | null;
  tags: string[];
  settings: Record<string, unknown>;
  created_on: string;
  modified_on: string;
}

/** A certificate signed by the sandbox's Origin CA. */
export interface OriginCertificate {
  id: string;
  certificate: string;
  csr: string;
  hostnames: string[];
  request_type: string;
  requested_validity: number;
  expires_on: string;
  /** Upper-case hexadecimal, as node:crypto shows it; the edge recognises a revoked certificate by it. */
  serial_number: string;
  revoked_at: string | null;
}

/** A Zero Trust organisation, with the keys that sign Access tokens. */
export interface Organization {
  account_id: string;
  name: string;
  auth_domain: string;
  created_at: string;
  updated_at: string;
  /** Go duration of the session at the team domain. */
  session_duration: string;
  strict_service_token_auth: boolean;
  deny_unmatched_requests: boolean;
  auto_redirect_to_identity: boolean;
  allow_authenticate_via_warp: boolean;
  is_ui_read_only: boolean;
  login_design: Record<string, unknown>;
  /** The current key first, then the one before it. */
  signing_keys: SigningKey[];
}

export interface SigningKey {
  kid: string;
  private_key: string;
  certificate: string;
}

/** One rule of a policy: an object with exactly one selector, such as `{ email: { email } }`. */
export type Rule = Record<string, Record<string, unknown>>;

export type Decision = "allow" | "deny" | "non_identity" | "bypass";

export interface AccessPolicy {
  id: string;
  account_id: string;
  name: string;
  decision: Decision;
  include: Rule[];
  exclude: Rule[];
  require: Rule[];
  session_duration: string;
  created_at: string;
  updated_at: string;
  /** Remaining documented fields, kept as given. */
  extra: Record<string, unknown>;
}

export interface AccessApp {
  id: string;
  account_id: string;
  aud: string;
  name: string;
  type: string;
  domain: string;
  destinations: { type: string; uri: string }[];
  policies: { id: string; precedence: number }[];
  session_duration: string;
  allowed_idps: string[];
  auto_redirect_to_identity: boolean;
  http_only_cookie_attribute: boolean;
  same_site_cookie_attribute?: "none" | "lax" | "strict" | undefined;
  path_cookie_attribute: boolean;
  enable_binding_cookie: boolean;
  options_preflight_bypass: boolean;
  service_auth_401_redirect: boolean;
  read_service_tokens_from_header?: string | undefined;
  created_at: string;
  updated_at: string;
  /** Remaining documented fields, kept as given. */
  extra: Record<string, unknown>;
}

export interface ServiceToken {
  id: string;
  account_id: string;
  name: string;
  duration: string;
  enabled: boolean;
  client_id: string;
  /** SHA-256 of the secret, hexadecimal. The secret itself is shown once and kept nowhere. */
  secret_hash: string;
  client_secret_version: number;
  previous_secret_hash: string | null;
  previous_client_secret_expires_at: string | null;
  expires_at: string | null;
  created_at: string;
  updated_at: string;
}

export interface IdentityProvider {
  id: string;
  account_id: string;
  name: string;
  type: string;
  config: Record<string, unknown>;
}

/** An API token. Permissions are the names of permission groups; "Write" includes "Read". */
export interface ApiToken {
  id: string;
  name: string;
  secret_hash: string;
  permissions: string[];
  /** Ids of the zones and accounts it may act on; `*` means all. */
  zones: string[];
  accounts: string[];
  status: "active" | "disabled";
  /** Until this instant a token that was just made is refused; absent or null: usable at once. */
  usable_from?: string | null;
  expires_on: string | null;
}

/** A mail that the sandbox did not send: a one-time PIN. */
export interface Mail {
  at: string;
  to: string;
  pin: string;
  application: string;
  expires_at: string;
}

/** To whom Cloudflare mails about one type of event. */
export interface NotificationPolicy {
  id: string;
  account_id: string;
  name: string;
  alert_type: string;
  enabled: boolean;
  description: string;
  mechanisms: {
    email?: { id: string }[];
    pagerduty?: { id: string }[];
    webhooks?: { id: string }[];
  };
  created: string;
  modified: string;
}

export interface Account {
  id: string;
  name: string;
  /** Who may use the default "Cloudflare" identity provider. */
  members: string[];
}

export interface State {
  /** Format of this file. */
  version: 1;
  accounts: Account[];
  zones: Zone[];
  dns_records: DnsRecord[];
  origin_certificates: OriginCertificate[];
  organizations: Organization[];
  access_policies: AccessPolicy[];
  access_apps: AccessApp[];
  service_tokens: ServiceToken[];
  identity_providers: IdentityProvider[];
  /** Absent: none. */
  notification_policies?: NotificationPolicy[];
  api_tokens: ApiToken[];
  /** Sessions ended by logging out: identity nonces with the second they may be forgotten. */
  ended_sessions: { nonce: string; until: number }[];
  mailbox: Mail[];
  ips: { ipv4_cidrs: string[]; ipv6_cidrs: string[]; etag: string };
  options: Options;
}

/** How slow this Cloudflare is, in milliseconds, and what it does where the real one's behaviour is not documented. */
export interface Options {
  /** Until an uploaded origin-pull certificate is active. */
  origin_pull_activation_ms: number;
  /** Until the edge presents another certificate for a host name, or none any more. */
  origin_pull_association_ms: number;
  /** How long a deleted certificate is on its way out, during which it cannot be uploaded again. */
  origin_pull_deletion_ms: number;
  /** Until Access stands in front of a new application. */
  access_enforcement_ms: number;
  /** Until an application can name a new policy. */
  access_policy_ms: number;
  /**
   * Whether a person without a session gets 401 in place of the login page from an application with
   * `service_auth_401_redirect` that has policies for people and for services.
   */
  access_401_for_people: boolean;
  /**
   * Whether a host name's own certificate is presented only while the zone's setting `tls_client_auth` is on. Cloudflare's
   * pages contradict each other.
   */
  hostname_pulls_need_zone_setting: boolean;
  /** Addresses of names outside the account's zones, which CNAME records can lead to. */
  public_names: Record<string, string[]>;
  /** How long the edge keeps what such a name has resolved to. Cloudflare documents no time. */
  public_names_ttl_ms: number;
  /** Zones of other Cloudflare accounts: a CNAME to a name in them gets error 1014. */
  foreign_zones: string[];
  /** Types of notifications that the account is not entitled to. */
  unavailable_alerts: string[];
}
