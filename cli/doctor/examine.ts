import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import type { DoctorPayload } from "../../components/origin-host/payload.ts";
import type { SettingsValues } from "../../settings/schema.ts";
import type { OriginHost } from "../../settings/topology.ts";
import type { Outputs } from "../lib/outputs.ts";
import { clockFinding } from "./clock.ts";
import { type ApiReader, cloudflareFindings } from "./cloudflare/collect.ts";
import type { IpRanges } from "./cloudflare/facts.ts";
import { resolutionFinding } from "./cloudflare/zone.ts";
import { stackFinding } from "./deployed.ts";
import { straightToHost, throughCloudflare } from "./edge.ts";
import { failureReason } from "../../components/site-check/answers.ts";
import { withSubject, type Finding, asSharesFinding } from "./finding.ts";
import { hostFindings, type HostReport, hostUnknownFinding, rangesFinding } from "./host.ts";
import type { Network } from "../../components/site-check/network.ts";
import { sharesThroughCloudflare } from "./shares.ts";
import { type Subjects, subjectsOf } from "./subjects.ts";

/** The stack to examine, and the means to do so. */
export interface ExamineArgs {
  settings: SettingsValues;
  /** The stack's outputs; `undefined` before the first `up`. */
  outputs: Outputs | undefined;
  network: Network;
  api: ApiReader;
  /** Runs the agent's step `doctor` on a host. Rejects with a one-line reason. */
  askHost: (host: OriginHost, payload: DoctorPayload) => Promise<HostReport>;
}

/** Checks every site and every host from all three places at once. Changes nothing. */
export async function examine({ settings, outputs, network, api, askHost }: ExamineArgs): Promise<Finding[]> {
  const now = new Date();
  const subjects = subjectsOf(settings, outputs);
  const { sites, shares } = subjects;
  const published = askPublic(settings.apiUrl);
  const hosts = subjects.hosts.map((examined) => ({
    ...examined,
    asked: askHost(examined.host, examined.payload).then(
      (report) => ({ report, at: Date.now() / 1000 }),
      (error: unknown) => failureReason(error),
    ),
  }));
  const reports = hosts.map(({ subject, asked }) => ({
    subject,
    report: asked.then((host) => (typeof host === "string" ? undefined : host.report)),
  }));
  const resolved = (hostname: string) =>
    published.then((facts) => (facts ? resolves(network, hostname, facts.ranges) : []));

  const findings = await Promise.all([
    published.then((facts) => [clockFinding("workstation", facts?.ahead)]),
    ...hosts.map(async ({ subject, host, ports }) =>
      withSubject(subject, [await straightToHost(network, host.originAddresses, ports)]),
    ),
    ...sites.map(async ({ subject, settings: { hostname } }) => withSubject(subject, await resolved(hostname))),
    ...shares.map(async ({ subject, settings: { hostname } }) =>
      withSubject(subject, await resolved(hostname)).map(asSharesFinding),
    ),
    ...hosts.map(async (host) =>
      withSubject(host.subject, findingsOnHost(await host.asked, await published, subjects, settings.hostRevision)),
    ),
    cloudflareFindings(api, { settings, sites, shares, hosts: reports, now }),
    ...sites.map(async ({ subject, settings: { hostname }, outputs: own }) =>
      withSubject(subject, await throughCloudflare(network, hostname, own?.devices ?? {})),
    ),
    ...shares.map(async ({ subject, settings: { hostname } }) =>
      withSubject(subject, await sharesThroughCloudflare(network, hostname)),
    ),
  ]);
  return [stackFinding(settings, outputs), ...findings.flat()];
}

/** A host's report with the local time of its arrival, or the reason why there is none. */
type HostAnswer = { report: HostReport; at: number } | string;

function findingsOnHost(
  asked: HostAnswer,
  facts: PublicFacts | undefined,
  subjects: Subjects,
  revision: number,
): Finding[] {
  if (typeof asked === "string") return [hostUnknownFinding(asked)];
  const { report, at } = asked;
  return [
    ...hostFindings(report, subjects, revision),
    rangesFinding(report.facts.ranges, facts && list(facts.ranges)),
    clockFinding("host", facts && report.facts.time - at + facts.ahead),
  ];
}

const list = ({ ipv4_cidrs: ipv4, ipv6_cidrs: ipv6 }: IpRanges) => [...ipv4, ...ipv6];

const ANSWER_MS = 8000;

/** Facts that Cloudflare publishes without a token. */
interface PublicFacts {
  ranges: IpRanges;
  /** Seconds by which this workstation's clock is ahead. */
  ahead: number;
}

/** Reads the public facts; `undefined` if there is no response. */
async function askPublic(apiUrl: string): Promise<PublicFacts | undefined> {
  const before = Date.now();
  try {
    const response = await fetch(`${apiUrl}/ips`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const middle = (before + Date.now()) / 2;
    const { result } = (await response.json()) as { result: IpRanges };
    return { ranges: result, ahead: (middle - Date.parse(response.headers.get("date") ?? "")) / 1000 };
  } catch {
    return undefined;
  }
}

/** Checks where the name leads. Skips a name whose connections take a detour. */
async function resolves({ detours }: Network, hostname: string, ranges: IpRanges): Promise<Finding[]> {
  if (detours.some(({ from }) => (from.host ?? hostname) === hostname) || isIP(hostname) !== 0) return [];
  const resolver = new Resolver({ timeout: ANSWER_MS / 4, tries: 2 });
  const none = ({ code }: NodeJS.ErrnoException) => (code === "ENOTFOUND" || code === "ENODATA" ? [] : undefined);
  const found = await Promise.all([resolver.resolve4(hostname).catch(none), resolver.resolve6(hostname).catch(none)]);
  const answered = found.filter((addresses) => addresses !== undefined);
  return [resolutionFinding(answered.length === 0 ? undefined : answered.flat(), ranges)];
}
