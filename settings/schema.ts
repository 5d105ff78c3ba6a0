import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { z } from "zod";
import {
  durationSeconds,
  ORIGIN_CA_END,
  ORIGIN_CA_VALIDITIES,
  type OriginCaValidity,
  withinOriginCa,
} from "./durations.ts";
import { isHostname, isLoopback, parseEndpoint, rangeProblem, sameEndpoint, unreachableReason } from "./network.ts";
import { normaliseHostKey, privateKeyProblem } from "./ssh.ts";

const DAY = 24 * 3600;

/** A text that `problem` finds nothing wrong with; what it says is completed by the setting's name before it. */
const text = (problem: (value: string) => string | undefined) =>
  z.string({ error: "is missing" }).superRefine((value, context) => {
    const message = value === "" ? "is missing" : problem(value);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

const unless = (holds: boolean, message: string) => (holds ? undefined : message);

const hexId = text((value) => unless(/^[0-9a-f]{32}$/.test(value), "must be 32 hexadecimal digits, in lower case"));

const uniqueList = (item: z.ZodType<string>) =>
  z.array(item, { error: "must be a list" }).superRefine((values, context) => {
    const repeated = values.find((value, index) => values.indexOf(value) !== index);
    if (repeated !== undefined) context.addIssue({ code: "custom", message: `names ${repeated} twice` });
  });

const duration = (from: number, to: number, range: string, forever = "") =>
  text((value) => {
    if (value === "forever") return `must end some day: ${range}${forever}`;
    const seconds = durationSeconds(value);
    return unless(seconds !== undefined && seconds >= from && seconds <= to, `must be a duration like 24h, ${range}`);
  });

const integer = (from: number, to: number) =>
  z.int({ error: "must be a whole number" }).superRefine((value, context) => {
    if (value < from || value > to) {
      context.addIssue({ code: "custom", message: `must lie between ${from.toString()} and ${to.toString()}` });
    }
  });

const endpoint = (example: string) =>
  text((value) => unless(parseEndpoint(value) !== undefined, `must be address:port, like ${example}`));

const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(", ")}` });

const certificateValidity = z
  .int({ error: "must be a whole number of days" })
  .superRefine((days, context) => {
    if (!(ORIGIN_CA_VALIDITIES as readonly number[]).includes(days)) {
      context.addIssue({ code: "custom", message: `must be one of ${ORIGIN_CA_VALIDITIES.join(", ")} days` });
    } else if (!withinOriginCa(days)) {
      const end = ORIGIN_CA_END.toISOString().slice(0, 10);
      context.addIssue({ code: "custom", message: `reaches beyond ${end}, when Cloudflare's Origin CA itself ends` });
    }
  })
  .transform((days) => days as OriginCaValidity);

const hostKey = z.string({ error: "is missing" }).transform((value, context) => {
  const result = value === "" ? { problem: "is missing" } : normaliseHostKey(value);
  if (result.problem === undefined) return result.line;
  context.addIssue({ code: "custom", message: result.problem });
  return z.NEVER;
});

const httpUrl = text((value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol === "https:") return undefined;
  // The API token travels to this address; only loopback may get it unencrypted.
  return unless(
    url?.protocol === "http:" && isLoopback(url.hostname.replace(/^\[|\]$/g, "")),
    "must be an https address",
  );
});

const certificatePem = z.string().superRefine((value, context) => {
  if (value === "") return;
  try {
    if (!new X509Certificate(value).ca) context.addIssue({ code: "custom", message: "is no certificate authority" });
  } catch {
    context.addIssue({ code: "custom", message: "is no PEM certificate" });
  }
});

const deviceName = text((value) =>
  unless(/^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$/.test(value), `has «${value}»: use small letters, digits and hyphens`),
);

const rotation = z.strictObject(
  {
    secretVersion: z.int().min(2, { error: "needs a secretVersion of 2 or more" }),
    previousSecretExpiresAt: z.iso.datetime({
      offset: true,
      error: "needs previousSecretExpiresAt as a time like 2026-12-01T00:00:00Z",
    }),
  },
  { error: "has exactly secretVersion and previousSecretExpiresAt for each device" },
);

/** Every setting by its configuration key: what it may be, and what to say when it is not. */
export const settingsSchema = z.strictObject({
  hostname: text((value) =>
    unless(isHostname(value, 3) || isHostname(value, 2), "must be a host name like photos.example.com, in lower case"),
  ),
  zoneId: hexId,
  accountId: hexId,
  apiToken: text((value) =>
    unless(
      /^[0-9A-Za-z_-]{40,80}$/.test(value),
      "is no Cloudflare API token: those have 40 to 80 letters, digits, - and _",
    ),
  ),
  apiUrl: httpUrl,
  originAddresses: uniqueList(
    text((value) => {
      const reason = unreachableReason(value);
      return reason && `has ${value}, which ${reason}`;
    }),
  ).refine((list) => list.length > 0, "needs at least one public address of the host"),

  sshAddress: text((value) => unless(isIP(value) !== 0 || isHostname(value), "must be an address or a host name")),
  sshPort: integer(1, 65535),
  sshUser: text((value) => unless(/^[a-z_][a-z0-9_-]{0,31}$/.test(value), "must be a Linux user name")),
  sshPrivateKey: text(privateKeyProblem),
  sshHostKey: hostKey,
  immichUpstream: endpoint("127.0.0.1:2283"),
  dockerPublishedPort: oneOf(["refuse", "drop"]),
  publicShareHostname: z.string().superRefine((value, context) => {
    if (value !== "" && !isHostname(value, 2)) {
      context.addIssue({ code: "custom", message: "must be a host name like shares.example.com, in lower case" });
    }
  }),
  publicShareUpstream: endpoint("127.0.0.1:3000"),
  confirmSeconds: integer(30, 600),
  hostRevision: integer(0, 1_000_000),

  emails: uniqueList(z.email({ error: "has an entry that is no email address" })),
  emailDomains: uniqueList(
    text((value) => unless(isHostname(value, 2), `has «${value}»: give a domain like example.com, without the @`)),
  ),
  sessionDuration: duration(60, 730 * 3600, "from 1m to 730h"),
  loginProvider: text((value) =>
    unless(
      /^(create|account|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.test(value),
      "must be create, account, or the id of an identity provider (a UUID)",
    ),
  ),
  devices: uniqueList(deviceName).refine(
    (list) => list.length <= 50,
    "names more than 50 devices, and an account may have 50 service tokens",
  ),
  deviceRotations: z.record(z.string(), rotation, {
    error: "must be an object with one entry for each rotated device",
  }),
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

/** A problem that lies in no setting alone. */
export interface CrossProblem {
  key: keyof SettingsValues;
  message: string;
}

/**
 * Problems between settings. It takes the configuration as it was read, so that these are reported together with the
 * problems inside single settings.
 */
export function crossProblems(raw: Readonly<Record<string, unknown>>): CrossProblem[] {
  const length = (key: string) => (Array.isArray(raw[key]) ? raw[key].length : 0);
  const devices = Array.isArray(raw["devices"]) ? raw["devices"] : [];
  const rotated = typeof raw["deviceRotations"] === "object" ? Object.keys(raw["deviceRotations"] ?? {}) : [];
  const problems: CrossProblem[] = rotated
    .filter((device) => !devices.includes(device))
    .map((device) => ({ key: "deviceRotations", message: `rotates «${device}», which is not among devices` }));
  if (length("emails") + length("emailDomains") === 0) {
    problems.push({ key: "emails", message: "names nobody, and neither does emailDomains: then nobody could log in" });
  }
  if (raw["sshAddress"] !== "" && raw["sshAddress"] === raw["hostname"]) {
    problems.push({
      key: "sshAddress",
      message: "is the proxied host name, which Cloudflare answers and SSH does not pass; use the host's own address",
    });
  }
  if (raw["originJwtCheck"] === true && raw["teamDomain"] === "") {
    problems.push({ key: "teamDomain", message: "is missing; originJwtCheck needs it" });
  }
  const upstream = typeof raw["immichUpstream"] === "string" ? parseEndpoint(raw["immichUpstream"]) : undefined;
  if (raw["dockerPublishedPort"] === "drop" && upstream && !isLoopback(upstream.host)) {
    problems.push({ key: "dockerPublishedPort", message: "is only for an Immich on the host itself (immichUpstream)" });
  }
  if (raw["originPullsCa"] !== "" && raw["originPullsCa"] !== undefined && raw["originPulls"] !== "shared") {
    problems.push({ key: "originPullsCa", message: "is only for originPulls shared" });
  }
  return [...problems, ...publicShareProblems(raw)];
}

/** Problems of public shares with other settings; none while they are off. */
function publicShareProblems(raw: Readonly<Record<string, unknown>>): CrossProblem[] {
  const value = (key: keyof SettingsValues) => (typeof raw[key] === "string" ? raw[key] : "");
  const [name, hostname] = [value("publicShareHostname"), value("hostname")];
  if (name === "") return [];
  const problems: CrossProblem[] = [];
  // Both lie in the zone `zoneId`, whose name has two labels or more.
  const domains = [name, hostname]
    .filter((full) => isHostname(full, 2))
    .map((full) => full.split(".").slice(-2).join("."));
  if (name === hostname) {
    problems.push({ key: "publicShareHostname", message: "is the site's own host name; public shares need another" });
  } else if (new Set(domains).size > 1) {
    problems.push({ key: "publicShareHostname", message: `does not lie in the zone of ${hostname}` });
  }
  if (name === value("sshAddress")) {
    problems.push({
      key: "sshAddress",
      message: "is the proxied publicShareHostname, which SSH does not pass; use the host's own address",
    });
  }
  if (sameEndpoint(value("publicShareUpstream"), value("immichUpstream"))) {
    problems.push({
      key: "publicShareUpstream",
      message: "is Immich itself (immichUpstream), which would be public; give the address of immich-public-proxy",
    });
  }
  return problems;
}
