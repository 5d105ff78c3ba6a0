import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { ownPort } from "../../settings/network.ts";
import type { SettingsValues } from "../../settings/schema.ts";
import { deployed, type Outputs } from "./deployed.ts";
import { clockFinding } from "./clock.ts";
import { type ApiReader, cloudflareFindings } from "./cloudflare/collect.ts";
import type { IpRanges } from "./cloudflare/facts.ts";
import { resolution } from "./cloudflare/zone.ts";
import { reason, straightToHost, throughCloudflare } from "./edge.ts";
import { type Finding, ofShares } from "./finding.ts";
import { hostFindings, type HostPayload, type HostReport, hostUnknown, liveRanges } from "./host.ts";
import type { Network } from "./network.ts";
import { sharesThroughCloudflare } from "./shares.ts";

/** What the doctor works with. */
export interface Patient {
  settings: SettingsValues;
  /** The stack's outputs; `undefined` before the first `up`. */
  outputs: Outputs | undefined;
  network: Network;
  api: ApiReader;
  /** Runs the agent's step `doctor` on the host. Rejects with one line about why it could not. */
  askHost: (payload: HostPayload) => Promise<HostReport>;
}

/** Looks at everything from all three places at once. Changes nothing anywhere. */
export async function examine({ settings, outputs, network, api, askHost }: Patient): Promise<Finding[]> {
  const now = new Date();
  const { hostname } = settings;
  const devices = outputs?.devices ?? {};
  const immichPort = ownPort(settings.immichUpstream) ?? null;
  const { publicShareHostname: shareName, publicShareUpstream: shareUpstream } = settings;
  const shares = shareName === "" ? null : { site: shareName, upstream: shareUpstream };
  const sharesPort = shares && (ownPort(shares.upstream) ?? null);

  const published = askPublic(settings.apiUrl);
  const asked = askHost({
    site: hostname,
    upstream: settings.immichUpstream,
    sshPort: settings.sshPort,
    immichPort,
    dockerPublishedPort: settings.dockerPublishedPort,
    confirmSeconds: settings.confirmSeconds,
    tokenCheck: settings.originJwtCheck,
    audience: outputs?.audience ?? null,
    shares,
  }).then(
    (report) => ({ report, at: Date.now() / 1000 }),
    (error: unknown) => reason(error),
  );
  const report = asked.then((host) => (typeof host === "string" ? undefined : host.report));
  const access = {
    ...settings,
    audience: outputs?.audience,
    devices: Object.fromEntries(Object.entries(devices).map(([device, { clientId }]) => [device, clientId])),
  };

  const findings = await Promise.all([
    published.then((facts) => [clockFinding("workstation", facts?.ahead)]),
    straightToHost(
      network,
      settings.originAddresses,
      [443, immichPort, sharesPort].filter((port) => port !== null),
    ),
    published.then(async (facts) => (facts ? resolves(network, hostname, facts.ranges) : [])),
    published
      .then(async (facts) => (facts && shares ? resolves(network, shares.site, facts.ranges) : []))
      .then((all) => all.map(ofShares)),
    Promise.all([asked, published]).then(([host, facts]) => {
      if (typeof host === "string") return [hostUnknown(host)];
      const ahead = facts && host.report.facts.time - host.at + facts.ahead;
      return [
        ...hostFindings(host.report, settings.hostRevision),
        liveRanges(host.report.facts.ranges, facts && list(facts.ranges)),
        clockFinding("host", ahead),
      ];
    }),
    cloudflareFindings(api, { settings, access, host: report, now }),
    throughCloudflare(network, hostname, devices),
    ...(shares ? [sharesThroughCloudflare(network, shares.site)] : []),
  ]);
  return [deployed(settings, outputs), ...findings.flat()];
}

const list = ({ ipv4_cidrs: ipv4, ipv6_cidrs: ipv6 }: IpRanges) => [...ipv4, ...ipv6];

const ANSWER_MS = 8000;

/** What Cloudflare tells without a token: its ranges, and the time. `undefined` if it does not answer. */
async function askPublic(apiUrl: string): Promise<{ ranges: IpRanges; ahead: number } | undefined> {
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

/** Where the name leads; says nothing about a name whose connections go elsewhere anyway. */
async function resolves({ detours }: Network, hostname: string, ranges: IpRanges): Promise<Finding[]> {
  if (detours.some(({ from }) => from.host === hostname) || isIP(hostname) !== 0) return [];
  const resolver = new Resolver({ timeout: ANSWER_MS / 4, tries: 2 });
  const none = ({ code }: NodeJS.ErrnoException) => (code === "ENOTFOUND" || code === "ENODATA" ? [] : undefined);
  const found = await Promise.all([resolver.resolve4(hostname).catch(none), resolver.resolve6(hostname).catch(none)]);
  const answered = found.filter((addresses) => addresses !== undefined);
  return [resolution(answered.length === 0 ? undefined : answered.flat(), ranges)];
}
