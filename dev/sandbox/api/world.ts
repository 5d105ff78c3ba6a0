// The initial state: one account with a zone and a Zero Trust organisation, and the program's token.

import { existsSync, readFileSync } from "node:fs";
import { newKey, selfSigned } from "../certificates/x509.ts";
import { now } from "./bodies.ts";
import { newApiToken, newId, newUuid } from "./ids.ts";
import { initialSettings } from "./routes/zones.ts";
import type { Options, SigningKey, State, Zone } from "./state.ts";
import { writeAtomically } from "./store.ts";
import { hash, PROGRAM_PERMISSIONS } from "./tokens.ts";

export const DEV = {
  account: "f037e56e89293a057740de681ac9abbe",
  zone: "023e105f4ecef8ad9ca31a8372d0c353",
  zoneName: "home.localhost",
  teamDomain: "home.cloudflareaccess.localhost",
  /** The account's only member: who may use the identity provider that new accounts start with. */
  owner: "owner@home.localhost",
} as const;

/** The published ranges as of 2026-11; the sandbox's edge pulls from the first of each family. */
export const RANGES = {
  ipv4_cidrs: [
    "173.245.48.0/20",
    "103.21.244.0/22",
    "103.22.200.0/22",
    "103.31.4.0/22",
    "141.101.64.0/18",
    "108.162.192.0/18",
    "190.93.240.0/20",
    "188.114.96.0/20",
    "197.234.240.0/22",
    "198.41.128.0/17",
    "162.158.0.0/15",
    "104.16.0.0/13",
    "104.24.0.0/14",
    "172.64.0.0/13",
    "131.0.72.0/22",
  ],
  ipv6_cidrs: [
    "2400:cb00::/32",
    "2606:4700::/32",
    "2803:f800::/32",
    "2405:b500::/32",
    "2405:8100::/32",
    "2a06:98c0::/29",
    "2c0f:f248::/32",
  ],
};

/** The authenticated origin pulls of a new zone. */
export const noPulls = (): Zone["origin_pulls"] => ({
  enabled: false,
  certificates: [],
  hostname_certificates: [],
  hostnames: [],
  changing: [],
  deleted: [],
});

/** The state of an older sandbox, with what it did not have yet. */
export function completed(state: State): State {
  const zones = state.zones.map((zone) => ({ ...zone, origin_pulls: { ...noPulls(), ...zone.origin_pulls } }));
  return { ...state, zones, options: { ...PROMPT, ...state.options } };
}

/** Options of a sandbox in which nothing is waited for longer than a test has to. */
export const PROMPT: Options = {
  origin_pull_activation_ms: 250,
  origin_pull_association_ms: 0,
  origin_pull_deletion_ms: 0,
  access_enforcement_ms: 0,
  access_policy_ms: 0,
  access_401_for_people: true,
  hostname_pulls_need_zone_setting: false,
  public_names: {},
  public_names_ttl_ms: 0,
  foreign_zones: [],
  unavailable_alerts: [],
};

/** Options with the times that others have measured on live accounts, or the middle of what they name. */
export const AS_MEASURED: Options = {
  ...PROMPT,
  origin_pull_activation_ms: 30_000,
  origin_pull_association_ms: 20_000,
  origin_pull_deletion_ms: 15_000,
  access_enforcement_ms: 75_000,
  access_policy_ms: 20_000,
};

/** A key that signs Access tokens, with a certificate as `/cdn-cgi/access/certs` shows it. */
export function newSigningKey(): SigningKey {
  const kid = `${newId()}${newId()}`;
  const key = newKey("rsa");
  const validity = {
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 10 * 365 * 86_400_000),
  };
  const { certificate } = selfSigned({ subject: [["CN", "sandbox Access"]], isCa: false, ...validity }, key);
  return { kid, private_key: key.pem, certificate };
}

/** The dev stack's API token, from its file or newly made (mode 0600). */
export function devToken(path: string): string {
  if (existsSync(path)) return readFileSync(path, "utf8").trim();
  const token = newApiToken();
  writeAtomically(path, `${token}\n`);
  return token;
}

/** The first state. `token` is the API token that the dev stack uses. */
export function firstState(token: string): State {
  const time = now();
  return {
    version: 1,
    accounts: [{ id: DEV.account, name: "Home", members: [DEV.owner] }],
    zones: [
      {
        id: DEV.zone,
        name: DEV.zoneName,
        account_id: DEV.account,
        created_on: time,
        settings: initialSettings(),
        origin_pulls: noPulls(),
      },
    ],
    dns_records: [],
    origin_certificates: [],
    organizations: [
      {
        account_id: DEV.account,
        name: "Home",
        auth_domain: DEV.teamDomain,
        created_at: time,
        updated_at: time,
        session_duration: "24h",
        strict_service_token_auth: true,
        deny_unmatched_requests: false,
        auto_redirect_to_identity: false,
        allow_authenticate_via_warp: false,
        is_ui_read_only: false,
        login_design: {},
        signing_keys: [newSigningKey(), newSigningKey()],
      },
    ],
    access_policies: [],
    access_apps: [],
    service_tokens: [],
    // What an account made since 2026-05-19 starts with; a one-time PIN has to be added.
    identity_providers: [
      {
        id: newUuid(),
        account_id: DEV.account,
        name: "Cloudflare",
        type: "cloudflare",
        config: { restrict_to_account_members: true },
      },
    ],
    api_tokens: [
      {
        id: newId(),
        name: "dev stack",
        secret_hash: hash(token),
        permissions: [...PROGRAM_PERMISSIONS],
        zones: [DEV.zone],
        accounts: [DEV.account],
        status: "active",
        expires_on: null,
      },
    ],
    ended_sessions: [],
    mailbox: [],
    ips: { ...RANGES, etag: "38f79d050aa027e3be3865e495dcc9bc" },
    options: PROMPT,
  };
}
