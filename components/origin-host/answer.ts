// The contract with the host agent: what each step answers, in the last line of its standard output. What a person reads
// of a step is on its standard error.

import { z } from "zod";
import type { StepName } from "./payload.ts";
import { printable } from "./printable.ts";

const hostname = z.string();
const text = z.string();

/** SHA-256 of a certificate, in lower-case hexadecimal. */
const fingerprint = z.string().regex(/^[0-9a-f]{64}$/);

/** The step `firewall`, after the kernel was seen to filter so. */
const firewallAnswer = {
  /** Number of the change in force. Every change has another one, so that each gets its confirmation. */
  change: z.int(),
  /** Ports of sshd, which stay open. */
  sshPorts: z.array(z.int()),
  /** Networks that the program's own rules for SSH let in; empty if the owner's rules are enough. */
  sshNetworks: z.array(text),
  /** The owner's rule of `ufw limit` by which SSH comes in; null if there is none. */
  sshLimit: text.nullable(),
  /** How many ranges of Cloudflare reach the sites' port; IPv6 is null if the kernel has none. */
  ranges: z.strictObject({ ipv4: z.int(), ipv6: z.int().nullable() }),
};

/** The step `certificates`. */
const certificatesAnswer = {
  /** Number of the firewall's change that the step's SSH connection has confirmed. */
  change: z.int(),
  sites: z.array(
    z.strictObject({
      hostname,
      /** The installed origin certificate. */
      fingerprint,
      /** Day on which it ends, `YYYY-MM-DD`. */
      endsOn: z.string(),
      /** CAs whose client certificates nginx accepts. */
      clientCas: z.array(fingerprint),
    }),
  ),
};

/** The step `nginx`, after nginx was seen to serve so. */
const nginxAnswer = {
  /** Start of the SHA-256 of all of the sites' configuration. */
  configuration: z.string(),
  sites: z.array(
    z.strictObject({
      hostname,
      upstream: text,
      /** The certificate that nginx has shown. */
      fingerprint,
      /** Audience tag of the tokens that the verifier admits; null if the site asks for none. */
      audience: z.string().nullable(),
    }),
  ),
  /** Files with other default servers, which answer under unknown names in place of ours. */
  foreignDefaults: z.array(text),
};

const firewallRemovalAnswer = {
  /** Sites of other stacks, for which their port stays open. */
  openFor: z.array(hostname),
  /** What of the firewall is not as it was before the deployment, and why. */
  stays: z.array(text),
};

const formerPortAnswer = {
  /** Ports that no site needs any more. */
  closed: z.array(z.int()),
};

const siteRemovalAnswer = {
  /** Whether the site is gone; false if another stack, or another host name of this one, has taken it over. */
  removed: z.boolean(),
};

/** A check of the doctor's; `unknown` if it could not be made. */
const checks = z.record(z.string(), z.strictObject({ status: z.enum(["ok", "wrong", "unknown"]), says: text }));

/** What the last daily refresh found: host/agent/firewall/status.py. Times are in RFC 3339. */
const refresh = z.strictObject({
  /** When it ended. */
  time: text,
  /** Whether it ended well; the journal has the reason if not. */
  ok: z.boolean(),
  /** How many of Cloudflare's ranges the host has, and when they were last Cloudflare's own; null if never. */
  ranges: z.strictObject({ ipv4: z.int(), ipv6: z.int(), fetched: text.nullable() }),
  /** Whether the table that closes Immich's port was in force before the refresh renewed it; null if that is unknown. */
  guardInForce: z.boolean().nullable(),
  /** Ways to Immich past nginx's guard; null if that is unknown. */
  waysIn: z.int().nullable(),
  /** When the origin certificate of each site ends; null for one that cannot be read. */
  certificates: z.array(z.strictObject({ hostname, endsOn: text.nullable() })),
});

const doctorAnswer = {
  checks,
  /** By host name, public shares among them. */
  sites: z.record(
    z.string(),
    z.strictObject({
      checks,
      facts: z.strictObject({
        /** PEM of the CA whose client certificates nginx accepts. */
        clientCa: z.string().nullable(),
        /** PEM of the origin certificate. */
        certificate: z.string().nullable(),
      }),
    }),
  ),
  facts: z.strictObject({
    /** Seconds since 1970 by the host's clock. */
    time: z.number(),
    /** What ufw and nginx take for Cloudflare's ranges; null before the first deployment. */
    ranges: z.strictObject({ ipv4: z.array(z.string()), ipv6: z.array(z.string()) }).nullable(),
    /** The step that was at work meanwhile. */
    busy: z.string().nullable(),
    /** Ports of the host that lead to what the sites serve, and that strangers must not reach. */
    guardedPorts: z.array(z.int()),
    /** Addresses of the host's own interfaces to the internet; behind a router these are private ones. */
    addresses: z.array(z.string()),
    /** Null before the first one. */
    refresh: refresh.nullable(),
  }),
};

const surveyAnswer = {
  /** Addresses of the host's own interfaces to the internet; behind a router these are private ones. */
  addresses: z.array(z.string()),
  /** Private networks, in CIDR form, that the host is in. */
  networks: z.array(z.string()),
  /** Where Immich answers on the host, `address:port`. */
  immich: z.array(z.string()),
  /** Rules of ufw that open a port to everyone, with the command that deletes them. */
  openings: z.array(z.strictObject({ rule: text, port: z.int(), delete: text })),
  /** The port that was examined, on which nginx would serve the site. */
  originPort: z.int(),
  /** Who else has that port; null if nobody does. */
  portHolder: text.nullable(),
  /** Files of nginx with another server for the host name. */
  sites: z.array(z.string()),
  /** What the host's firewall would block when it is turned on; empty if it is on already. */
  closing: z.array(
    z.strictObject({
      /** Port and protocol, `8123/tcp`: in ufw's syntax, open to everyone. */
      service: text,
      /** The program, unit or container. */
      holder: text,
      /** Who reaches it today: `everyone`, or networks of the host's own. */
      reachedBy: z.array(text),
      /** In ufw's syntax, what keeps it open to the networks at home; empty if it is of use only to everyone. */
      home: z.array(text),
    }),
  ),
  /**
   * Why the first `up` would stop, and what mends that: another program on the sites' port, a rule ahead of ufw's that keeps
   * Cloudflare out, a way to Immich past this program's server.
   */
  refusals: z.array(z.strictObject({ problem: text, remedy: text })),
  /** Why it cannot be told whether there are more ways to Immich. */
  unclear: z.array(text),
};

const envelope = <S extends StepName, T extends z.core.$ZodLooseShape>(step: S, shape: T) =>
  z.strictObject({
    step: z.literal(step),
    /** The stack's `hostRevision` with which the step was run. */
    revision: z.int(),
    /** What the host calls itself. */
    host: text,
    ...shape,
  });

/** What each step answers, by the step's name. */
export const ANSWERS = {
  firewall: envelope("firewall", firewallAnswer),
  "firewall-remove": envelope("firewall-remove", firewallRemovalAnswer),
  certificates: envelope("certificates", certificatesAnswer),
  nginx: envelope("nginx", nginxAnswer),
  "site-remove": envelope("site-remove", siteRemovalAnswer),
  "former-port-close": envelope("former-port-close", formerPortAnswer),
  doctor: envelope("doctor", doctorAnswer),
  survey: envelope("survey", surveyAnswer),
} as const;

/** What a step answers. */
export type Answer<S extends StepName> = z.output<(typeof ANSWERS)[S]>;

/** A step that has ended without its answer, so nothing is known to have happened. */
export class NoAnswerError extends Error {}

/**
 * Reads a step's answer from its standard output. What the host's login scripts have printed before it is passed over.
 *
 * @throws NoAnswerError with one line if the last line is no answer of this step: something else than the agent has run,
 *   whatever the exit status was.
 */
export function readAnswer<S extends StepName>(step: S, stdout: string): Answer<S> {
  const line = stdout.trim().split("\n").at(-1) ?? "";
  const { data, error } = ANSWERS[step].safeParse(parsed(line));
  if (data) return data as Answer<S>;
  const wrong = error.issues.map(({ path, message }) => [...path, message].join(" ")).slice(0, 3);
  throw new NoAnswerError(
    line.startsWith("{")
      ? `the step ${step} has answered in another form than this program's (${wrong.join("; ")})`
      : `the login has ended well, but the step ${step} has not run: it has printed ${line === "" ? "nothing" : JSON.stringify(printable(line).slice(0, 120))} in place of its answer`,
  );
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
