import { isIP } from "node:net";
import { z } from "zod";
import {
  certificatePem,
  certificateValidity,
  deviceName,
  duration,
  endpoint,
  hexId,
  hostKey,
  httpUrl,
  integer,
  oneOf,
  rotation,
  text,
  uniqueList,
  unless,
} from "./fields.ts";
import { isHostname, rangeProblem, unreachableReason } from "./network.ts";
import { privateKeyProblem } from "./ssh.ts";

const DAY = 24 * 3600;

/** Service tokens that an account may have on the free plan. */
export const MAX_DEVICES = 50;

/** What the main site and each of `moreSites` have of their own. */
const siteShape = {
  hostname: text((value) => unless(isHostname(value, 2), "must be a host name like photos.example.com, in lower case")),
  immichUpstream: endpoint("127.0.0.1:2283"),
  emails: uniqueList(z.email({ error: "has an entry that is no email address" })),
  emailDomains: uniqueList(
    text((value) => unless(isHostname(value, 2), `has «${value}»: give a domain like example.com, without the @`)),
  ),
  devices: uniqueList(deviceName).refine(
    (list) => list.length <= MAX_DEVICES,
    `names more than ${MAX_DEVICES} devices, and an account may have ${MAX_DEVICES} service tokens`,
  ),
  deviceRotations: z.record(z.string(), rotation, {
    error: "must be an object with one entry for each rotated device",
  }),
};

/** What the main host and each of `moreHosts` have of their own. */
const hostShape = {
  sshAddress: text((value) => unless(isIP(value) !== 0 || isHostname(value), "must be an address or a host name")),
  sshPort: integer(1, 65535),
  sshUser: text((value) => unless(/^[a-z_][a-z0-9_-]{0,31}$/.test(value), "must be a Linux user name")),
  sshHostKey: hostKey,
  originAddresses: uniqueList(
    text((value) => {
      const reason = unreachableReason(value);
      return reason && `has ${value}, which ${reason}`;
    }),
  ).refine((list) => list.length > 0, "needs at least one public address of the host"),
};

/** What to say of an entry of `moreSites` or `moreHosts` that is none. */
const partError = (what: string) => (issue: { code?: string; keys?: unknown }) =>
  issue.code === "unrecognized_keys" && Array.isArray(issue.keys)
    ? `has ${issue.keys.join(" and ")}, which is no setting of a ${what}`
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
    sshPort: hostShape.sshPort.default(22),
    sshUser: hostShape.sshUser.default("root"),
    immichUpstream: siteShape.immichUpstream.default("127.0.0.1:2283"),
  },
  { error: partError("host") },
);

/** Every setting by its configuration key: what it may be, and what to say when it is not. */
export const settingsSchema = z.strictObject({
  ...siteShape,
  zoneId: hexId,
  accountId: hexId,
  apiToken: text((value) =>
    unless(
      /^[0-9A-Za-z_-]{40,80}$/.test(value),
      "is no Cloudflare API token: those have 40 to 80 letters, digits, - and _",
    ),
  ),
  apiUrl: httpUrl,
  moreSites: z.array(moreSite, { error: "must be a list" }),

  ...hostShape,
  sshPrivateKey: text(privateKeyProblem),
  moreHosts: z.array(moreHost, { error: "must be a list" }),
  dockerPublishedPort: oneOf(["refuse", "drop"]),
  publicShareHostname: z.string().superRefine((value, context) => {
    if (value !== "" && !isHostname(value, 2)) {
      context.addIssue({ code: "custom", message: "must be a host name like shares.example.com, in lower case" });
    }
  }),
  publicShareUpstream: endpoint("127.0.0.1:3000"),
  confirmSeconds: integer(30, 600),
  hostRevision: integer(0, 1_000_000),

  sessionDuration: duration(60, 730 * 3600, "from 1m to 730h"),
  loginProvider: text((value) =>
    unless(
      /^(create|account|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.test(value),
      "must be create, account, or the id of an identity provider (a UUID)",
    ),
  ),
  tokenDuration: duration(DAY, 8760 * 3600, "from 24h to 8760h", "; a token that never expires is never missed either"),
  anyServiceToken: z.boolean({ error: "must be true or false" }),

  originJwtCheck: z.boolean({ error: "must be true or false" }),
  teamDomain: z.string().superRefine((value, context) => {
    if (value !== "" && !isHostname(value, 3)) {
      context.addIssue({ code: "custom", message: "must be a domain like my-team.cloudflareaccess.com" });
    }
  }),

  certificateValidityDays: certificateValidity,
  originPulls: oneOf(["hostname", "zone", "shared"]),
  originPullsKey: oneOf(["RSA-2048", "RSA-4096", "ECDSA-P256"]),
  originPullsCa: certificatePem,
  minTlsVersion: oneOf(["1.0", "1.1", "1.2", "1.3"]),
  alwaysUseHttps: z.boolean({ error: "must be true or false" }),
  ipRanges: uniqueList(
    text((value) => {
      const problem = rangeProblem(value);
      return problem && `has ${value}, which ${problem}`;
    }),
  ).refine(
    (list) =>
      list.length === 0 || [4, 6].every((version) => list.some((cidr) => isIP(cidr.split("/")[0] ?? "") === version)),
    "needs both IPv4 and IPv6 ranges, or none at all",
  ),
});

/** The stack's configuration after every check. */
export type SettingsValues = z.output<typeof settingsSchema>;
