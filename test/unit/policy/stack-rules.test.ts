import type { StackValidationPolicy } from "@pulumi/policy";
import { describe, expect, it } from "vitest";
import { applicationGuarded, noPublicPaths } from "../../../policy/rules/access.ts";
import { noSecretInCommand } from "../../../policy/rules/commands.ts";
import { originPullsOn, sslStrict } from "../../../policy/rules/zone.ts";
import { checkStack, UNKNOWN, type Declared } from "./check.ts";

type Props = Record<string, unknown>;

const zoneId = "023e105f4ecef8ad9ca31a8372d0c353";
const hostname = "photos.example.com";
const cloudflare = (type: string, name: string, props: Props, policies: string[] = []): Declared => ({
  type: `cloudflare:index/${type.replace(/^./, (first) => first.toLowerCase())}:${type}`,
  name,
  props,
  propertyDependencies: { policies },
});

const record = cloudflare("DnsRecord", "record", { zoneId, name: hostname, type: "A", proxied: true });
const setting = (settingId: string, value: string, zone = zoneId) =>
  cloudflare("ZoneSetting", settingId, { zoneId: zone, settingId, value });
const pulls = (config: Props) =>
  cloudflare("AuthenticatedOriginPulls", "pulls", { zoneId, configs: [{ certId: UNKNOWN, ...config }] });
const zonePulls = (enabled: boolean) => cloudflare("AuthenticatedOriginPullsSettings", "pulls", { zoneId, enabled });
const people = cloudflare("ZeroTrustAccessPolicy", "people", { decision: "allow" });
const devices = cloudflare("ZeroTrustAccessPolicy", "devices", { decision: "non_identity" });
const token = cloudflare("ZeroTrustAccessServiceToken", "token", { clientSecret: UNKNOWN });
const application = (...policies: string[]) =>
  cloudflare(
    "ZeroTrustAccessApplication",
    "application",
    { domain: hostname, policies: policies.map((_, index) => ({ id: UNKNOWN, precedence: index + 1 })) },
    policies,
  );

/** A second application, for a path of the host name or another one. */
const opened = (uri: string, props: Props = {}, policies: string[] = []) =>
  cloudflare(
    "ZeroTrustAccessApplication",
    "opened",
    { domain: uri, destinations: [{ type: "public", uri }], ...props },
    policies,
  );
const bypass = cloudflare("ZeroTrustAccessPolicy", "bypass", { decision: "bypass", includes: [{ everyone: {} }] });
const everyone = cloudflare("ZeroTrustAccessPolicy", "everyone", { decision: "allow", includes: [{ everyone: {} }] });
const nobody = cloudflare("ZeroTrustAccessPolicy", "nobody", { decision: "deny", includes: [{ everyone: {} }] });
const share = `${hostname}/share`;
const hint = /^It opens photos\.example\.com\/share to everybody\. .* set publicShareHostname, /;

const sharesRecord = (component: string): Declared => ({
  ...record,
  props: { ...record.props, name: "shares.example.com" },
  urn: `urn:pulumi:home::immich-access::${component}cloudflare:index/dnsRecord:DnsRecord::record`,
});

/** All of a site, under a component of its own, without some parts of it. */
function siteOf(name: string, without: string[] = []): Declared[] {
  const own = (part: string) => `${name}-${part}`;
  const policies = ["devices", "people"].filter((part) => !without.includes(part)).map(own);
  const parts: Record<string, Declared> = {
    record: { ...record, props: { ...record.props, name } },
    pulls: pulls({ hostname: name, enabled: true }),
    component: { type: "immich-access:index:AccessApplication", props: {} },
    people,
    devices,
    token,
    application: {
      ...application(...policies),
      props: { domain: name },
    },
  };
  const guards = ["people", "devices", "token", "application"];
  return Object.entries(parts).flatMap(([part, declared]) =>
    without.includes(part)
      ? []
      : [{ ...declared, name: own(part), urn: own(part), ...(guards.includes(part) && { parent: own("component") }) }],
  );
}
const ALBUM = "album.example.com";
/** Two sites, of the second one some parts only. */
const beside = (without: string[] = []) => [...siteOf(hostname), ...siteOf(ALBUM, without)];

const PASSWORD = "correct horse battery staple";
const key = (privateKeyPem: string): Declared => ({
  type: "tls:index/privateKey:PrivateKey",
  name: "key",
  props: { privateKeyPem, publicKeyPem: UNKNOWN },
});
const remote = (props: Props, propertyDependencies: Record<string, string[]> = {}): Declared => ({
  type: "command:remote:Command",
  name: "command",
  props: { create: "sh -c 'exec install'", stdin: UNKNOWN, connection: { host: "192.0.2.1" }, ...props },
  propertyDependencies,
});
const local = (props: Props): Declared => ({ type: "command:local:Command", name: "command", props });

type Example = [what: string, stack: Declared[], reported?: RegExp];

/** By rule: stacks that it lets pass, and what it reports about the others. */
const EXAMPLES: [rule: StackValidationPolicy, examples: Example[]][] = [
  [
    sslStrict,
    [
      ["strict", [record, setting("ssl", "strict")]],
      ["no site in the zone", []],
      ["Full", [record, setting("ssl", "full")], /has SSL mode full\. Set the zone setting ssl to strict\.$/],
      ["a mode that is not known yet", [setting("ssl", UNKNOWN)], /has SSL mode undefined/],
      ["no mode", [record], /Nothing sets the SSL mode of the zone/],
      ["the mode of another zone", [record, setting("ssl", "strict", "0")], /Nothing sets the SSL mode/],
    ],
  ],
  [
    originPullsOn,
    [
      ["for the host name", [record, pulls({ hostname, enabled: true })]],
      ["for the zone", [record, zonePulls(true)]],
      ["with the shared certificate", [record, setting("tls_client_auth", "on")]],
      ["none", [record], /^photos\.example\.com has no origin pulls\. Declare them/],
      ["disabled for the host name", [record, pulls({ hostname, enabled: false })], /has no origin pulls/],
      ["for another host name", [record, pulls({ hostname: "a.example.com", enabled: true })], /has no origin pulls/],
      ["disabled for the zone", [record, zonePulls(false)], /has no origin pulls/],
      ["shared, but off", [record, setting("tls_client_auth", "off")], /has no origin pulls/],
      ["for both of two sites", beside()],
      ["for one of two sites", beside(["pulls"]), /^album\.example\.com has no origin pulls/],
    ],
  ],
  [
    applicationGuarded,
    [
      ["both policies", [record, people, devices, token, application("devices", "people")]],
      ["people only, and no devices", [record, people, application("people")]],
      [
        "tokens without a policy",
        [people, token, application("people")],
        /application lists no policy for its service/,
      ],
      ["nobody", [devices, token, application("devices")], /application lists no policy that admits people/],
      [
        "an unlisted policy",
        [people, devices, application("people")],
        /No application lists devices, so it does nothing/,
      ],
      ["two sites", beside()],
      ["two sites, one of them without devices", beside(["devices", "token"])],
      [
        "two sites, one of them with tokens and no policy",
        beside(["devices"]),
        /^album\.example\.com-application lists no policy for its service tokens/,
      ],
      [
        "two sites, one of them for nobody",
        beside(["people"]),
        /^album\.example\.com-application lists no policy that admits people/,
      ],
      [
        "two sites, one of them unguarded",
        beside(["application", "people", "devices", "token"]),
        /^No application protects album\.example\.com\./,
      ],
      [
        "a token beside no application",
        [
          record,
          people,
          application("people"),
          { type: "component", name: "other", props: {} },
          { ...token, parent: "other" },
        ],
        /application lists no policy for its service/,
      ],
      ["a record of which nothing is known yet", [{ ...record, props: { ...record.props, proxied: UNKNOWN } }]],
      ["a name without application", [record], /No application protects photos\.example\.com\. Declare one/],
      ["public shares", [sharesRecord("immich-access:index:PublicShares$immich-access:index:DnsRecords$")]],
      [
        "the same record elsewhere",
        [sharesRecord("immich-access:index:DnsRecords$")],
        /No application protects shares\.example\.com\./,
      ],
    ],
  ],
  [
    noPublicPaths,
    [
      ["the whole host name for people", [people, application("people")]],
      ["a path for people", [people, opened(share, {}, ["people"])]],
      ["a path for nobody", [nobody, opened(share, {}, ["nobody"])]],
      ["a path of which nothing is known yet", [opened(share, { policies: UNKNOWN })]],
      ["a bypass that this application does not list", [bypass, people, opened(share, {}, ["people"])]],
      ["a path with a bypass", [bypass, opened(share, {}, ["bypass"])], hint],
      ["a path for everyone", [everyone, opened(share, {}, ["everyone"])], hint],
      ["a path with a bypass of its own", [opened(share, { policies: [{ decision: "bypass" }] })], hint],
      [
        "a path among several destinations",
        [bypass, opened(hostname, { destinations: [{ uri: hostname }, { uri: share }] }, ["bypass"])],
        hint,
      ],
    ],
  ],
  [
    noSecretInCommand,
    [
      ["a secret on standard input", [remote({ stdin: PASSWORD, connection: { password: PASSWORD } })]],
      ["a path", [remote({ create: "cat /etc/ssl/key.pem" }), key(PASSWORD)]],
      [
        "a secret's value",
        [key(PASSWORD), remote({ update: `echo '${PASSWORD}'` })],
        /^update holds a secret\. Pass it/,
      ],
      ["a connection's password", [remote({ delete: PASSWORD, connection: { password: PASSWORD } })], /^delete holds/],
      ["a private key", [local({ create: "echo '-----BEGIN EC PRIVATE KEY-----'" })], /^create holds/],
      ["a token's secret", [remote({ environment: { T: `cfast_${"a".repeat(48)}` } })], /^environment holds/],
      ["a trigger", [key(PASSWORD), remote({ triggers: [{ pem: PASSWORD }] })], /^triggers holds/],
      [
        "a key that is yet to be made",
        [key(UNKNOWN), remote({ create: UNKNOWN }, { create: ["key"] })],
        /^create holds/,
      ],
      ["a record that is yet to be made", [record, remote({ create: UNKNOWN }, { create: ["record"] })]],
    ],
  ],
];

describe.each(EXAMPLES.map(([rule, examples]) => ({ rule, examples, name: rule.name })))(
  "$name",
  ({ rule, examples, name }) => {
    it(`${name} gives its reason`, () => {
      expect(rule.description.length).toBeGreaterThan(50);
    });

    it.each(examples)(`${name}: %s`, async (_what, stack, reported) => {
      const violations = await checkStack(rule, stack);
      expect(violations).toEqual(reported ? [expect.stringMatching(reported)] : []);
      expect(violations.join("\n")).not.toContain(PASSWORD);
    });
  },
);
