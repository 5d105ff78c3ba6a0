import { isIP } from "node:net";
import { z } from "zod";
import { ORIGIN_CA_VALIDITIES, withinOriginCa } from "./durations.ts";
import {
  certificatePem,
  certificateValidity,
  deviceName,
  duration,
  emailList,
  emptyOr,
  endpoint,
  flag,
  hexId,
  hostKey,
  httpUrl,
  integer,
  oneOf,
  optional,
  rotation,
  text,
  uniqueList,
  problemUnless,
} from "./fields.ts";
import {
  asciiHostname,
  homeNetworkProblem,
  isHostname,
  rangeProblem,
  rangesProblem,
  unreachableReason,
} from "./network.ts";
import { networkProblem, openingProblem } from "./openings.ts";
import { privateKeyProblem } from "./ssh.ts";

declare module "zod" {
  interface GlobalMeta {
    /** The arguments of `pulumi config set` that fix a missing or wrong setting. */
    fix?: string | (() => string);
  }
}

const DAY = 24 * 3600;

/** Service tokens that an account may have on the free plan. */
export const MAX_DEVICES = 50;

/** The problem with a host name; an international one is told in the ASCII that Cloudflare's records want. */
function hostnameProblem(value: string, example: string): string | undefined {
  if (isHostname(value, 2)) return undefined;
  const ascii = asciiHostname(value);
  if (ascii !== value && isHostname(ascii, 2)) return `must be in ASCII, as ${ascii}`;
  return `must be a host name like ${example}, in lower case`;
}

/** Endings of names that only a home's own resolver knows. */
const HOME_ENDINGS = ["local", "lan", "internal", "home.arpa"];

/** The problem with a name for the origin, which Cloudflare has to resolve. */
function originNameProblem(value: string): string | undefined {
  if (isIP(value) !== 0) return "is an address; give the name that your DDNS client keeps, or use originAddresses";
  const ending = HOME_ENDINGS.find((one) => value.endsWith(`.${one}`));
  if (ending !== undefined) return `ends in .${ending}, which only your own network resolves`;
  if (value.endsWith(".cfargotunnel.com")) return "is a Cloudflare Tunnel's, which does not lead to this host's nginx";
  return hostnameProblem(value, "home.example.net");
}

/** What Cloudflare's emails can be about. */
export const NOTIFICATION_TYPES = ["all", "service-tokens", "origin-pulls"] as const;

/** The settings of one site, the main one or one of `moreSites`. */
const siteShape = {
  hostname: text((value) => hostnameProblem(value, "photos.example.com")).meta({ fix: "hostname photos.example.com" }),
  immichUpstream: endpoint("127.0.0.1:2283").meta({ fix: "immichUpstream 127.0.0.1:2283" }),
  emails: emailList.meta({ fix: "--path 'emails[0]' you@example.com" }),
  emailDomains: uniqueList(
    text((value) =>
      problemUnless(isHostname(value, 2), `has «${value}»: give a domain like example.com, without the @`),
    ),
  ).meta({ fix: "--path 'emailDomains[0]' example.com" }),
  devices: uniqueList(deviceName)
    .refine(
      (list) => list.length <= MAX_DEVICES,
      `names more than ${MAX_DEVICES} devices, and an account may have ${MAX_DEVICES} service tokens`,
    )
    .meta({ fix: "--path 'devices[0]' annas-phone" }),
  deviceRotations: z
    .record(z.string(), rotation, { error: "must be an object with one entry for each rotated device" })
    .meta({ fix: "--path 'deviceRotations.<device>.secretVersion' 2   # and .previousSecretExpiresAt <time>" }),
};

const sshAddress = text((value) =>
  problemUnless(isIP(value) !== 0 || isHostname(value), "must be an address or a host name"),
);
const port = integer(1, 65535);
const user = text((value) => problemUnless(/^[a-z_][a-z0-9_-]{0,31}$/.test(value), "must be a Linux user name"));

/** A host through which SSH leads to another one; `undefined` for an empty object. */
const sshJump = emptyOr(
  z.strictObject({ address: sshAddress, port: port.default(22), user: user.default("root"), hostKey }),
);

/** The settings of one host, the main one or one of `moreHosts`. */
const hostShape = {
  sshAddress: sshAddress.meta({ fix: "sshAddress <the host's own address or name>" }),
  sshPort: port.meta({ fix: "sshPort 22" }),
  sshUser: user.meta({ fix: "sshUser root" }),
  sshJump: sshJump.meta({ fix: "--path 'sshJump.address' <address>   # and .hostKey; or: pulumi config rm sshJump" }),
  sshHostKey: hostKey.meta({
    fix: 'sshHostKey "$(ssh-keyscan -t ed25519 <address>)"   # compare it with /etc/ssh/ssh_host_ed25519_key.pub on the host',
  }),
  originAddresses: uniqueList(
    text((value) => {
      const reason = unreachableReason(value);
      return reason && `has ${value}, which ${reason}`;
    }),
  ).meta({ fix: "--path 'originAddresses[0]' <public address of the host>" }),
  homeNetworks: uniqueList(
    text((value) => {
      const problem = homeNetworkProblem(value);
      return problem && `has ${value}, which ${problem}`;
    }),
  ).meta({ fix: "--path 'homeNetworks[0]' 192.168.1.0/24" }),
  sshFrom: uniqueList(
    text((value) => {
      const problem = networkProblem(value);
      return problem && `has ${value}, which ${problem}`;
    }),
  ).meta({ fix: "--path 'sshFrom[0]' 192.168.1.0/24   # or: pulumi config rm sshFrom" }),
  keepOpen: uniqueList(
    text((value) => {
      const problem = openingProblem(value);
      return problem && `has «${value}», which ${problem}`;
    }),
  ).meta({ fix: "--path 'keepOpen[0]' \"8123/tcp from 192.168.1.0/24\"" }),
  closeOthers: flag.meta({ fix: "closeOthers true" }),
};

/** The message for an invalid entry of `moreSites` or `moreHosts`. */
const partError = (what: string) => (issue: { code?: string; keys?: unknown }) =>
  issue.code === "unrecognized_keys" && Array.isArray(issue.keys)
    ? `has ${issue.keys.join(" and ")}, which is not a setting of a ${what}`
    : `must be an object with the settings of a ${what}`;

/** One of `moreSites`. */
const moreSite = z.strictObject(
  {
    ...siteShape,
    emails: siteShape.emails.default([]),
    emailDomains: siteShape.emailDomains.default([]),
    devices: siteShape.devices.default([]),
    deviceRotations: siteShape.deviceRotations.default({}),
  },
  { error: partError("site") },
);

/** One of `moreHosts`. */
const moreHost = z.strictObject(
  {
    ...hostShape,
    originAddresses: hostShape.originAddresses.refine(
      (list) => list.length > 0,
      "needs at least one public address of the host",
    ),
    sshPort: hostShape.sshPort.default(22),
    sshUser: hostShape.sshUser.default("root"),
    sshJump: sshJump.prefault({}),
    homeNetworks: hostShape.homeNetworks.default([]),
    immichUpstream: siteShape.immichUpstream.default("127.0.0.1:2283"),
    sshFrom: hostShape.sshFrom.default([]),
    keepOpen: hostShape.keepOpen.default([]),
    closeOthers: hostShape.closeOthers.default(false),
  },
  { error: partError("host") },
);

/** The longest validity of at most a year that ends before the Origin CA does. */
const validityDays = () => ORIGIN_CA_VALIDITIES.findLast((days) => days <= 365 && withinOriginCa(days)) ?? 7;

/**
 * Every setting by its configuration key: its valid values, the messages for others, and the fix. Its type, description
 * and default are in Pulumi.yaml; test/unit/settings-declared.test.ts compares the two.
 */
export const settingsSchema = z.strictObject({
  ...siteShape,
  zoneId: hexId.meta({ fix: "zoneId <id on the zone's overview page>" }),
  accountId: hexId.meta({ fix: "accountId <id on the zone's overview page>" }),
  apiToken: text((value) =>
    problemUnless(
      /^[0-9A-Za-z_-]{40,80}$/.test(value),
      "is not a Cloudflare API token, which has 40 to 80 letters, digits, - and _",
    ),
  ).meta({ fix: "--secret apiToken" }),
  apiUrl: httpUrl.meta({ fix: "apiUrl https://api.cloudflare.com/client/v4" }),
  moreSites: z.array(moreSite, { error: "must be a list" }).meta({
    fix: "--path 'moreSites[0].hostname' album.example.com   # and .immichUpstream, .emails[0], .devices[0]",
  }),

  ...hostShape,
  originName: optional(originNameProblem).meta({
    fix: "originName home.example.net   # or: pulumi config rm originName",
  }),
  sshPrivateKey: optional(privateKeyProblem).meta({ fix: "--secret sshPrivateKey < ~/.ssh/<key file>" }),
  sshPrivateKeyPassphrase: z.string().meta({ fix: "--secret sshPrivateKeyPassphrase" }),
  sshAgent: flag.meta({ fix: "sshAgent false   # or remove the key, as above" }),
  moreHosts: z.array(moreHost, { error: "must be a list" }).meta({
    fix: "--path 'moreHosts[0].sshAddress' <address>   # and .sshHostKey, .originAddresses[0]",
  }),
  originPort: port.meta({ fix: "originPort 8443   # or: pulumi config rm originPort" }),
  publicShareHostname: optional((value) => hostnameProblem(value, "shares.example.com")).meta({
    fix: "publicShareHostname shares.example.com   # or: pulumi config rm publicShareHostname",
  }),
  publicShareUpstream: endpoint("127.0.0.1:3000").meta({ fix: "publicShareUpstream 127.0.0.1:3000" }),
  confirmSeconds: integer(30, 600).meta({ fix: "confirmSeconds 120" }),
  siteCheckSeconds: integer(0, 600).meta({ fix: "siteCheckSeconds 120" }),
  hostRevision: integer(0, 1_000_000).meta({ fix: "hostRevision 0" }),

  sessionDuration: duration(60, 730 * 3600, "from 1m to 730h, the most that Cloudflare allows").meta({
    fix: "sessionDuration 24h",
  }),
  loginProvider: text((value) =>
    problemUnless(
      /^(create|account|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.test(value),
      "must be create, account, or the id of an identity provider (a UUID)",
    ),
  ).meta({ fix: "loginProvider create" }),
  tokenDuration: duration(DAY, 87_600 * 3600, "from 24h to 87600h (ten years), or forever", "forever").meta({
    fix: "tokenDuration 8760h",
  }),
  tokenRefresh: flag.meta({ fix: "tokenRefresh true" }),
  anyServiceToken: flag.meta({ fix: "anyServiceToken false" }),
  notificationEmails: emailList.meta({
    fix: "--path 'notificationEmails[0]' you@example.com   # or: pulumi config rm notificationEmails",
  }),
  notificationTypes: oneOf(NOTIFICATION_TYPES).meta({
    fix: "notificationTypes all   # or: pulumi config rm notificationTypes",
  }),

  originJwtCheck: flag.meta({ fix: "originJwtCheck true" }),
  teamDomain: optional((value) =>
    problemUnless(isHostname(value, 3), "must be a domain like my-team.cloudflareaccess.com"),
  ).meta({ fix: "teamDomain <team>.cloudflareaccess.com   # in the Zero Trust dashboard under Settings" }),

  certificateValidityDays: certificateValidity.meta({ fix: () => `certificateValidityDays ${validityDays()}` }),
  originPulls: oneOf(["hostname", "zone", "shared"]).meta({ fix: "originPulls hostname" }),
  originPullsKey: oneOf(["RSA-2048", "RSA-4096", "ECDSA-P256"]).meta({ fix: "originPullsKey RSA-2048" }),
  originPullsCa: certificatePem.meta({ fix: 'originPullsCa ""' }),
  minTlsVersion: oneOf(["1.0", "1.1", "1.2", "1.3"]).meta({ fix: "minTlsVersion 1.2" }),
  alwaysUseHttps: flag.meta({ fix: "alwaysUseHttps true" }),
  sslAutomaticMode: flag.meta({ fix: "sslAutomaticMode true" }),
  ipRanges: uniqueList(
    text((value) => {
      const problem = rangeProblem(value);
      return problem && `has ${value}, which ${problem}`;
    }),
  )
    .refine(
      (list) =>
        list.length === 0 || [4, 6].every((version) => list.some((cidr) => isIP(cidr.split("/")[0] ?? "") === version)),
      "needs both IPv4 and IPv6 ranges, or none at all",
    )
    .superRefine((list, context) => {
      const problem = list.some((cidr) => rangeProblem(cidr) !== undefined) ? undefined : rangesProblem(list);
      if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
    })
    .meta({ fix: "--path 'ipRanges[0]' <range>   # or: pulumi config rm ipRanges" }),
});

/** Name of a setting. */
export type SettingKey = keyof typeof settingsSchema.shape;

/**
 * The settings that Pulumi keeps encrypted. Its engine sees to that for those with `secret: true` in Pulumi.yaml, which
 * cannot have a default, and `loadSettings` for the others.
 */
export const SECRET_SETTINGS = [
  "apiToken",
  "sshPrivateKey",
  "sshPrivateKeyPassphrase",
] as const satisfies readonly SettingKey[];

export type SecretSetting = (typeof SECRET_SETTINGS)[number];

/** The type of a setting, as Pulumi.yaml names it. */
export type SettingType = "string" | "integer" | "boolean" | "array" | "object";

/** The type of a setting's value before it is checked. */
export function settingType(key: SettingKey): SettingType {
  return typeOf(settingsSchema.shape[key]);
}

function typeOf(schema: z.core.$ZodType): SettingType {
  if (schema instanceof z.ZodPipe) return typeOf(schema.in);
  if (schema instanceof z.ZodNumber) return "integer";
  if (schema instanceof z.ZodBoolean) return "boolean";
  if (schema instanceof z.ZodArray) return "array";
  return schema instanceof z.ZodRecord ? "object" : "string";
}

/** The command that sets a setting to a valid value. Secrets come from files or prompts. */
export function settingFix(key: SettingKey): string {
  const { fix = key } = settingsSchema.shape[key].meta() ?? {};
  return `pulumi config set ${typeof fix === "string" ? fix : fix()}`;
}

/** The stack's configuration, checked. */
export type SettingsValues = z.output<typeof settingsSchema>;
