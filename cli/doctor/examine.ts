import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { z } from "zod";
import { readEnvelope } from "../../components/cloudflare-api.ts";
import type { DoctorPayload } from "../../components/origin-host/payload.ts";
import type { SettingsValues } from "../../settings/schema.ts";
import type { OriginHost } from "../../settings/topology.ts";
import type { Outputs } from "../lib/outputs.ts";
import { clockFinding } from "./clock.ts";
import { isSettling } from "./cloudflare/access.ts";
import type { ApiReader } from "./cloudflare/api.ts";
import { cloudflareFindings } from "./cloudflare/collect.ts";
import type { Application, IpRanges } from "./cloudflare/facts.ts";
import { resolutionFinding } from "./cloudflare/zone.ts";
import { stackFinding } from "./deployed.ts";
import { straightToHost, throughCloudflare } from "./edge.ts";
import { failureReason } from "../../components/site-check/answers.ts";
import { withSubject, type Finding, asSharesFinding } from "./finding.ts";
import { hostFindings, type HostReport, hostUnknownFinding, rangesFinding } from "./host.ts";
import type { Network } from "../../components/site-check/network.ts";
import { sharesThroughCloudflare } from "./shares.ts";
import { originNameFinding } from "./origin-name.ts";
import type { LookUp, PublicName } from "../lib/public-name.ts";
import { unreachableReason } from "../../settings/network.ts";
import { type Subjects, subjectsOf } from "./subjects.ts";

/** The stack to examine, and the means to do so. */
export interface ExamineArgs {
  settings: SettingsValues;
  /** The stack's outputs; `undefined` before the first `up`. */
  outputs: Outputs | undefined;
  network: Network;
  api: ApiReader;
  /** Looks up the name of an origin whose address moves. */
  lookUp: LookUp;
  /** Runs the agent's step `doctor` on a host. Rejects with a one-line reason. */
  askHost: (host: OriginHost, payload: DoctorPayload) => Promise<HostReport>;
}

/** Checks every site and every host from all three places at once. Changes nothing. */
export async function examine({ settings, outputs, network, api, lookUp, askHost }: ExamineArgs): Promise<Finding[]> {
  const now = new Date();
  const subjects = subjectsOf(settings, outputs);
  const { sites, shares } = subjects;
  const published = askPublic(settings.apiUrl);
  const applications = api.all<Application>(`/accounts/${settings.accountId}/access/apps`);
  // By Cloudflare's clock; an application that cannot be read has a finding of its own.
  const settling = (hostname: string) =>
    Promise.all([applications, published])
      .then(([all, { ahead = 0 }]) => isSettling(all, hostname, Date.now() - ahead * 1000))
      .catch(() => false);
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
    published.then(({ ranges }) => (ranges ? resolves(network, hostname, ranges) : []));

  const { originName } = settings;
  const named = originName === "" ? undefined : lookUp(originName);
  // For an origin whose address moves, what its name resolves to.
  const origin = async (host: OriginHost): Promise<OriginHost> => {
    const { addresses = [] } = (await named) ?? {};
    return named ? { ...host, originAddresses: addresses.filter((one) => unreachableReason(one) === undefined) } : host;
  };

  const findings = await Promise.all([
    ...(named && hosts[0] ? [nameFindings(originName, named, hosts[0], { settings, api, lookUp })] : []),
    published.then(({ ahead }) => [clockFinding("workstation", ahead)]),
    ...hosts.map(async ({ subject, host, asked }) =>
      withSubject(subject, await straight(network, await origin(host), closedPorts(settings.originPort, await asked))),
    ),
    ...sites.map(async ({ subject, settings: { hostname } }) => withSubject(subject, await resolved(hostname))),
    ...shares.map(async ({ subject, settings: { hostname } }) =>
      withSubject(subject, await resolved(hostname)).map(asSharesFinding),
    ),
    ...hosts.map(async (host) =>
      withSubject(host.subject, findingsOnHost(await host.asked, await published, subjects, settings.hostRevision)),
    ),
    cloudflareFindings(api, { settings, sites, shares, hosts: reports, applications, now }),
    ...sites.map(async ({ subject, settings: { hostname, teamDomain }, outputs: own }) => {
      const asked = { hostname, teamDomain, devices: own?.devices ?? {}, isSettling: settling(hostname) };
      return withSubject(subject, await throughCloudflare(network, asked));
    }),
    ...shares.map(async ({ subject, settings: { hostname } }) =>
      withSubject(subject, await sharesThroughCloudflare(network, hostname)),
    ),
  ]);
  return [stackFinding(settings, outputs), ...findings.flat()];
}

/** Whether the host refuses direct connections; says nothing where no address of it is known. */
const straight = async (network: Network, host: OriginHost, ports: readonly number[]): Promise<Finding[]> =>
  host.originAddresses.length === 0 ? [] : [await straightToHost(network, host, ports)];

/** The finding about the origin's name, compared with what is known of the host's own addresses. */
async function nameFindings(
  name: string,
  named: Promise<PublicName>,
  { host, asked }: { host: OriginHost; asked: Promise<HostAnswer> },
  { settings, api, lookUp }: Pick<ExamineArgs, "settings" | "api" | "lookUp">,
): Promise<Finding[]> {
  const { sshAddress } = host;
  const [found, report, zone, connected] = await Promise.all([
    named,
    asked,
    api.one<{ name?: unknown }>(`/zones/${settings.zoneId}`).catch(() => ({ name: undefined })),
    isIP(sshAddress) !== 0 || sshAddress === name ? undefined : lookUp(sshAddress),
  ]);
  const ssh = isIP(sshAddress) === 0 ? (connected?.addresses ?? []) : [sshAddress];
  const own = typeof report === "string" ? [] : report.report.facts.addresses;
  const hostAddresses = [...new Set([...ssh, ...own])].filter((one) => unreachableReason(one) === undefined);
  const zoneName = typeof zone.name === "string" ? zone.name : undefined;
  return [originNameFinding({ name, found, zoneName, hostAddresses })];
}

/** A host's report with the local time of its arrival, or the reason why there is none. */
type HostAnswer = { report: HostReport; at: number } | string;

function findingsOnHost(
  asked: HostAnswer,
  { ranges, ahead }: PublicFacts,
  subjects: Subjects,
  revision: number,
): Finding[] {
  if (typeof asked === "string") return [hostUnknownFinding(asked)];
  const { report, at } = asked;
  return [
    ...hostFindings(report, subjects, revision),
    rangesFinding(report.facts.ranges, ranges && list(ranges)),
    clockFinding("host", ahead === undefined ? undefined : report.facts.time - at + ahead),
  ];
}

/** The host's ports that must be closed to everyone, or to everyone but Cloudflare; without a report what is certain. */
const closedPorts = (originPort: number, asked: HostAnswer): number[] => [
  ...new Set([originPort, ...(typeof asked === "string" ? [] : asked.report.facts.guardedPorts)]),
];

const list = ({ ipv4_cidrs: ipv4, ipv6_cidrs: ipv6 }: IpRanges) => [...ipv4, ...ipv6];

const ANSWER_MS = 8000;

/** Facts that Cloudflare publishes without a token; each is `undefined` if its answer does not have it. */
interface PublicFacts {
  ranges: IpRanges | undefined;
  /** Seconds by which this workstation's clock is ahead. */
  ahead: number | undefined;
}

const IPS = z.object({
  success: z.literal(true),
  result: z.object({ ipv4_cidrs: z.array(z.string()).min(1), ipv6_cidrs: z.array(z.string()).min(1) }),
});

/** Reads the public facts. */
async function askPublic(apiUrl: string): Promise<PublicFacts> {
  const before = Date.now();
  try {
    const response = await fetch(`${apiUrl}/ips`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const middle = (before + Date.now()) / 2;
    const date = Date.parse(response.headers.get("date") ?? "");
    const { data } = IPS.safeParse(await readEnvelope(response));
    return { ranges: data?.result, ahead: Number.isNaN(date) ? undefined : (middle - date) / 1000 };
  } catch {
    return { ranges: undefined, ahead: undefined };
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
