// The contract with the host agent: what each step is told. answer.ts has what each step answers. `npm run contract`
// writes both as JSON Schema beside the agent, which refuses every payload that does not match.

import { z } from "zod";
import { FULL_HOSTNAME } from "../../settings/network.ts";

/** A host name, with two labels or more: it names folders and files, so nothing else passes. */
const hostname = z.string().regex(FULL_HOSTNAME);

const port = z.int().min(1).max(65535);

const text = z.string().min(1);

/** What a site's upstream is: Immich itself, or immich-public-proxy. */
const serves = z.enum(["immich", "shares"]);

/** Project, stack, zone and host. On delete, sites that are recorded under another owner are kept. */
const owner = text;

/**
 * What an earlier step has answered. The host does not look at it: it is there so that Pulumi runs this step again when
 * the earlier one has changed something.
 */
const after = text;

const reachedSite = z.strictObject({
  hostname,
  serves,
  /** Where nginx finds the upstream, `address:port`. The host judges whether that is one of its own addresses. */
  upstream: text,
});

/** Cloudflare's address ranges in CIDR form. */
const ranges = z.strictObject({ ipv4: z.array(text).min(1), ipv6: z.array(text).min(1) });

const firewallSettings = {
  /** Port of sshd, which stays open. */
  sshPort: port,
  /** Private networks, in CIDR form, that may use the upstreams' ports of this host directly. */
  homeNetworks: z.array(text),
  /** Networks that a rule of the program's for SSH lets in; empty means anywhere. */
  sshFrom: z.array(text),
  /** What stays open besides SSH and the sites' port, in ufw's syntax. */
  keepOpen: z.array(text),
  /** Seconds after which a change undoes itself unless a new SSH connection confirms it. */
  confirmSeconds: z.int().min(2).max(3600),
};

/** Where nginx serves the sites to Cloudflare. */
const originPort = port;

/** The steps `firewall` and `firewall-remove`. */
export const firewallPayload = z.strictObject({
  owner,
  sites: z.array(reachedSite).min(1),
  ranges,
  ...firewallSettings,
  /** Whether to shut what else the host serves when its firewall is turned on; false stops before that. */
  closeOthers: z.boolean(),
  originPort,
});

/** The step `certificates`. */
export const certificatesPayload = z.strictObject({
  after,
  sites: z
    .array(
      z.strictObject({
        hostname,
        /** The origin certificate, PEM. */
        certificate: text,
        /** Its key, PEM. Secret. */
        privateKey: text,
        /** CA whose client certificates nginx accepts, PEM. */
        clientCa: text,
      }),
    )
    .min(1),
});

const servedSite = {
  hostname,
  serves,
  /** Where nginx passes requests to, `address:port`. */
  upstream: text,
};

/** The step `nginx`. */
export const nginxPayload = z.strictObject({
  owner,
  after,
  /** Domain of the Zero Trust team, which signs the tokens; null if no site has an audience. */
  teamDomain: hostname.nullable(),
  originPort,
  sites: z
    .array(
      z.strictObject({
        ...servedSite,
        /** Audience tag of the tokens that the site asks of every request; null if it asks for none. */
        audience: text.max(256).nullable(),
      }),
    )
    .min(1),
});

/**
 * The step `site-remove`. A field cannot be added: the agent that the host has when a site is deleted may be newer than
 * the payload, which is in the state.
 */
export const siteRemovalPayload = z.strictObject({ owner, hostname });

/** The step `former-port-close`. As for `site-remove`, a field cannot be added. */
export const formerPortPayload = z.strictObject({ owner, after });

/** The step `doctor`. */
export const doctorPayload = z.strictObject({
  ...firewallSettings,
  originPort,
  sites: z
    .array(
      z.strictObject({
        ...servedSite,
        /** Whether the site asks every request for a token. */
        tokenCheck: z.boolean(),
        /** Audience tag that the tokens have to have; null before the first `up`, and for shares. */
        audience: text.max(256).nullable(),
      }),
    )
    .min(1),
});

/** The step `survey`. */
export const surveyPayload = z.strictObject({
  hostname,
  sshPort: port,
  /** What is to stay open, in ufw's syntax, and so needs no question. */
  keepOpen: z.array(text),
  originPort,
});

/** What each step is told, by the step's name. */
export const PAYLOADS = {
  firewall: firewallPayload,
  "firewall-remove": firewallPayload,
  certificates: certificatesPayload,
  nginx: nginxPayload,
  "site-remove": siteRemovalPayload,
  "former-port-close": formerPortPayload,
  doctor: doctorPayload,
  survey: surveyPayload,
} as const;

/** A step of the host agent. */
export type StepName = keyof typeof PAYLOADS;

/** What a step is told. */
export type Payload<S extends StepName> = z.output<(typeof PAYLOADS)[S]>;

export type FirewallPayload = Payload<"firewall">;
export type DoctorPayload = Payload<"doctor">;

/**
 * Checks what a step is to be told.
 * @throws Error that names the step and the fields that are wrong. Values are not part of it: some are secret.
 */
export function checkedPayload<S extends StepName>(step: S, payload: Payload<S>): Payload<S> {
  const { data, error } = PAYLOADS[step].safeParse(payload);
  if (data) return data as Payload<S>;
  const wrong = error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new Error(`the payload of the host's step ${step} does not match its schema: ${wrong.join("; ")}`);
}
