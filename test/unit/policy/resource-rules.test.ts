import type { ResourceValidationPolicy } from "@pulumi/policy";
import { describe, expect, it } from "vitest";
import { namedTokens, noBypass, noEveryone, tokenLifetime } from "../../../policy/rules/access.ts";
import { hostKeyPinned } from "../../../policy/rules/commands.ts";
import { certificateLifetime, recordsProxied } from "../../../policy/rules/zone.ts";
import { check, UNKNOWN, type Declared } from "./check.ts";

type Props = Record<string, unknown>;

const record = (props: Props): Declared => ({
  type: "cloudflare:index/dnsRecord:DnsRecord",
  props: { name: "photos.example.com", type: "A", content: UNKNOWN, ...props },
});
const policy = (props: Props): Declared => ({
  type: "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy",
  props: { decision: "allow", ...props },
});
const group = (props: Props): Declared => ({
  type: "cloudflare:index/zeroTrustAccessGroup:ZeroTrustAccessGroup",
  props,
});
const inline = (props: Props): Declared => ({
  type: "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication",
  props: { policies: [{ id: UNKNOWN, precedence: 1 }, props] },
});
const token = (props: Props): Declared => ({
  type: "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken",
  props: { name: "frame", ...props },
});
const remote = (connection: Props, what = "Command"): Declared => ({
  type: `command:remote:${what}`,
  props: { connection: { host: "192.0.2.1", privateKey: UNKNOWN, ...connection } },
});
const origin = (props: Props): Declared => ({
  type: "cloudflare:index/originCaCertificate:OriginCaCertificate",
  props: { csr: UNKNOWN, ...props },
});
const signed = (days: number): Declared => ({
  type: "tls:index/locallySignedCert:LocallySignedCert",
  props: { validityPeriodHours: days * 24, caCertPem: UNKNOWN },
});

const emails = { includes: [{ email: { email: "anna@example.com" } }, { emailDomain: { domain: "example.org" } }] };
const named = { decision: "non_identity", includes: [{ serviceToken: { tokenId: UNKNOWN } }] };
const anyToken = { decision: "non_identity", includes: [{ anyValidServiceToken: {} }] };
const ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcH";

type Example = [declared: Declared, reported?: RegExp | undefined, changes?: Props];

/** By rule: what it lets pass, and what it reports about the rest. */
const EXAMPLES: [rule: ResourceValidationPolicy, examples: Example[]][] = [
  [
    recordsProxied,
    [
      [record({ proxied: true })],
      [record({ type: "TXT" })],
      [record({ proxied: false }), /^The A record photos\.example\.com is not proxied\. Set proxied: true\.$/],
      [record({ type: "AAAA" }), /The AAAA record/],
      [record({ type: "CNAME" }), /The CNAME record/],
      [record({ proxied: UNKNOWN }), /is not proxied/],
    ],
  ],
  [
    noEveryone,
    [
      [policy(emails)],
      [policy(named)],
      [policy({ decision: "deny", includes: [{ everyone: {} }] })],
      [policy({ includes: [...emails.includes, { everyone: {} }] }), /includes Everyone\. Include email addresses/],
      [policy({ includes: [{ loginMethod: { id: UNKNOWN } }] }), /It includes a login method/],
      [group({ includes: [{ everyone: {} }] }), /includes Everyone/],
      [inline({ decision: "allow", includes: [{ everyone: {} }] }), /includes Everyone/],
    ],
  ],
  [
    noBypass,
    [
      [policy(emails)],
      [inline({ id: UNKNOWN, precedence: 2 })],
      [policy({ decision: "bypass", ...emails }), /^Its decision is bypass\. Use allow/],
      [inline({ decision: "bypass", ...emails }), /^Its decision is bypass/],
    ],
  ],
  [
    namedTokens,
    [
      [policy(named)],
      [policy(anyToken), /any valid service token\..* or declare anyServiceToken in policy\/config\.json/],
      [policy(anyToken), undefined, { anyServiceToken: true }],
      [group(anyToken), /any valid service token/],
    ],
  ],
  [
    tokenLifetime,
    [
      [token({ duration: "8760h" })],
      [token({})],
      [token({ duration: "8761h" }), /The token frame lasts 8761h, but at most 8760h are allowed/],
      [token({ duration: "forever" }), /The token frame never expires\..* or declare forever in policy\/config\.json/],
      [token({ duration: "forever" }), undefined, { forever: true }],
      [token({}), /lasts 8760h, but at most 720h are allowed/, { maxHours: 720 }],
    ],
  ],
  [
    certificateLifetime,
    [
      [origin({ requestedValidity: 365 })],
      [signed(365)],
      [origin({}), /lasts 5475 days, but at most 398 are allowed\. Lower requestedValidity/],
      [origin({ requestedValidity: 730 }), /lasts 730 days/],
      [origin({ requestedValidity: 730 }), undefined, { maxDays: 1095 }],
      [signed(730), /Lower validityPeriodHours/],
    ],
  ],
  [
    hostKeyPinned,
    [
      [remote({ hostKey: ED25519 })],
      [remote({ hostKey: "ecdsa-sha2-nistp256 AAAA" }, "CopyToRemote")],
      [remote({}), /^connection has no hostKey of type ed25519 or ecdsa/],
      [remote({ hostKey: "" }, "CopyToRemote"), /connection has no hostKey/],
      [remote({ hostKey: UNKNOWN }, "CopyFile"), /connection has no hostKey/],
      [remote({ hostKey: ED25519, proxy: { host: "192.0.2.2" } }), /connection\.proxy has no hostKey/],
    ],
  ],
];

describe.each(EXAMPLES.map(([rule, examples]) => ({ rule, examples, name: rule.name })))(
  "$name",
  ({ rule, examples, name }) => {
    it(`${name} gives its reason`, () => {
      expect(rule.description.length).toBeGreaterThan(50);
    });

    it.each(examples)(`${name}: %j`, async (declared, reported, changes) => {
      const violations = await check(rule, declared, changes);
      expect(violations).toEqual(reported ? [expect.stringMatching(reported)] : []);
    });
  },
);
