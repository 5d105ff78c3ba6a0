import type { Answer } from "../../components/origin-host/answer.ts";
import { withSubject, type Check, type Finding, failed, fromProblem, asSharesFinding, passed } from "./finding.ts";
import type { ExaminedName, Subjects } from "./subjects.ts";

/** Answer of the agent's step `doctor`. */
export type HostReport = Answer<"doctor">;

/** A site's files on the host; null for a missing one. */
export type SiteFacts = HostReport["sites"][string]["facts"];

/** The command that runs every step on the host again. Without a changed input the engine would run none. */
export const rerunCommand = (revision: number) =>
  `pulumi config set hostRevision ${(revision + 1).toString()} && pulumi up`;

const RERUN = "";

/** The agent's checks, by their names in the agent. `RERUN` as a fix means to run the steps again. */
type HostChecks = Readonly<Record<string, Omit<Check, "id" | "place">>>;

type NamedCheck = [name: string, check: HostChecks[string]];

/** Checks of every site. */
const SITE_CHECKS: HostChecks = {
  site: {
    title: "nginx site",
    why: "A changed site may not require Cloudflare's client certificate, or may pass on requests that it should block.",
    fix: RERUN,
  },
  guard: {
    title: "nginx's guard",
    why: "Without it a connection that gets through the firewall needs no client certificate of Cloudflare.",
    fix: RERUN,
  },
  certificate: {
    title: "Certificate on the host",
    why: "Cloudflare rejects it: every visitor gets 526.",
    fix: RERUN,
  },
  key: {
    title: "Private key",
    why: "Anyone who reads it can pose as your server to Cloudflare.",
    fix: RERUN,
  },
};

/** Checks of sites that serve Immich. */
const IMMICH_CHECKS: HostChecks = {
  immich: {
    title: "Immich on the host",
    why: "Every visitor gets 502.",
    fix: "start Immich (`docker compose up -d`), or set immichUpstream to where it listens and run `pulumi up`",
  },
};

/** Checks of the host and of its sites, in the order of the report. */
const CHECKS: HostChecks = {
  firewall: {
    title: "Firewall",
    why: "Clients other than Cloudflare could reach port 443, or ufw could block SSH at its next start.",
    fix: RERUN,
  },
  "firewall-kernel": {
    title: "Firewall in force",
    why: "The kernel's rules differ from those that ufw shows.",
    fix: RERUN,
  },
  "firewall-change": {
    title: "Firewall confirmed",
    why: "An unconfirmed change is rolled back, and the host may be open again.",
    fix: RERUN,
  },
  "port-guard": {
    title: "Immich's port",
    why: "Docker opens what it publishes to everyone, whatever ufw says, so others could reach Immich without Access.",
    fix: RERUN,
  },
  filter: {
    title: "Rules ahead of ufw",
    why: "Cloudflare cannot connect: every visitor gets 522 or 523.",
    fix: "do what the finding says on the host; the next `pulumi up` refuses the host until then",
  },
  port: {
    title: "Port of the sites",
    why: "nginx cannot serve the sites: every visitor gets 521, or the other program's answer.",
    fix: "do what the finding says on the host; the next `pulumi up` refuses the host until then",
  },
  "ways-in": {
    title: "Other ways to Immich",
    why: "Whoever finds one of them reaches Immich without Access.",
    fix: "do what the finding says on the host; the next `pulumi up` refuses the host until then",
  },
  nginx: {
    title: "nginx",
    why: "Without it every visitor gets 521 or 522.",
    fix: RERUN,
  },
  ...SITE_CHECKS,
  "token-check": {
    title: "Token check",
    why: "The host verifies Access's token of each request; it fails closed, so without this check every request gets 403.",
    fix: RERUN,
  },
  ranges: {
    title: "Ranges in nginx",
    why: "nginx treats Cloudflare's addresses as visitors', or trusts a stranger's header.",
    fix: RERUN,
  },
  timer: {
    title: "Daily refresh",
    why: "Without it new ranges of Cloudflare stay blocked, and withdrawn ones allowed.",
    fix: "run `systemctl start immich-access-ranges.service` on the host, and read `systemctl status` of it",
  },
  agent: {
    title: "Agent on the host",
    why: "The daily refresh runs another version than this checkout's.",
    fix: "pulumi up",
  },
  ...IMMICH_CHECKS,
};

/** Checks of public shares. */
const SHARES_CHECKS: HostChecks = {
  proxy: {
    title: "immich-public-proxy",
    why: "Visitors of a shared link get an error; and if Immich itself is behind the name, strangers reach it.",
    fix: "start immich-public-proxy (`docker compose up -d`), or set publicShareUpstream to where it listens and run `pulumi up`",
  },
};

/** The findings of a host and of the sites on it; `revision` is the stack's `hostRevision`. */
export function hostFindings(
  report: HostReport,
  { sites, shares }: Omit<Subjects, "hosts">,
  revision: number,
): Finding[] {
  const made = (checks: HostReport["checks"] | undefined, [name, entry]: NamedCheck): Finding => {
    const fix = entry.fix === RERUN ? rerunCommand(revision) : entry.fix;
    const check: Check = { id: `host-${name}`, place: "host", ...entry, fix };
    const result = checks?.[name];
    if (!result) return failed(check, "the agent did not look at it", fix, "unknown");
    const found = result.status === "ok" ? passed(check, result.says) : failed(check, result.says, fix, result.status);
    const { refresh } = report.facts;
    return name === "timer" && refresh !== null ? { ...found, refresh } : found;
  };
  const ofName = ({ subject, settings: { hostname } }: ExaminedName, check: NamedCheck) =>
    withSubject(subject, [made(report.sites[hostname]?.checks, check)]);
  const ofSites: HostChecks = { ...SITE_CHECKS, ...IMMICH_CHECKS };
  const found = [
    ...Object.entries(CHECKS).flatMap((check) =>
      check[0] in ofSites ? sites.flatMap((site) => ofName(site, check)) : [made(report.checks, check)],
    ),
    ...shares.flatMap((one) =>
      Object.entries({ ...SITE_CHECKS, ...SHARES_CHECKS }).flatMap((check) => ofName(one, check).map(asSharesFinding)),
    ),
  ];
  const { busy } = report.facts;
  return busy === null ? found : [...found, failed(BUSY, `${busy} is at work`, BUSY.fix, "warning")];
}

const BUSY: Check = {
  id: "host-busy",
  place: "host",
  title: "Another step",
  why: "The findings may show a moment in the middle of a change.",
  fix: "wait for it and run the doctor again",
};

const SSH: Check = {
  id: "ssh",
  place: "host",
  title: "SSH",
  why: "The host could not be checked, and the next deployment would not reach it either.",
  fix: "compare sshAddress, sshPort, sshUser and sshHostKey of the stack with the host",
};

/** The one finding that replaces all others if the host could not be asked. */
export const hostUnknownFinding = (problem: string): Finding => failed(SSH, problem, SSH.fix, "unknown");

const RANGES: Check = {
  id: "ranges",
  place: "host",
  title: "Cloudflare's ranges",
  why: "Cloudflare cannot reach the host from a new range (522 for some visitors); a withdrawn one may be a stranger's.",
  fix: "run `systemctl start immich-access-ranges.service` on the host, and read `systemctl status` of it",
};

/** Whether the ranges on the host are Cloudflare's present ones; `live` is undefined if those are unknown. */
export function rangesFinding(host: HostReport["facts"]["ranges"], live: readonly string[] | undefined): Finding {
  if (!live) return failed(RANGES, "Cloudflare's own list could not be read", "run the doctor again", "unknown");
  const present = host === null ? [] : [...host.ipv4, ...host.ipv6];
  const lacking = live.filter((cidr) => !present.includes(cidr));
  const stale = present.filter((cidr) => !live.includes(cidr));
  const problems = [
    ...(lacking.length > 0 ? [`lacks ${lacking.join(", ")}`] : []),
    ...(stale.length > 0 ? [`still has ${stale.join(", ")}`] : []),
  ];
  return fromProblem(
    RANGES,
    problems.length === 0 ? undefined : `the host ${problems.join(" and ")}`,
    `the host has all ${live.length.toString()} and no others`,
  );
}
