// The subjects of the doctor's checks: each site, each host, and each site on each host.
import type { DoctorPayload } from "../../components/origin-host/payload.ts";
import type { SettingsValues } from "../../settings/schema.ts";
import { each, hostsOf, type OriginHost, sitesOf, upstreamOn, settingsForSite } from "../../settings/topology.ts";
import type { Outputs, SiteOutputs } from "../lib/outputs.ts";
import type { ExpectedAccess } from "./cloudflare/access.ts";
import type { Subject } from "./finding.ts";

/** A host name and the kind of site behind it. */
export interface ExaminedName {
  /** Names it in findings where the stack has several sites. */
  subject: Subject;
  serves: "immich" | "shares";
  /** The stack's settings reduced to this site; `originAddresses` are those of all hosts. */
  settings: SettingsValues;
}

/** A site in front of Immich. */
export interface ExaminedSite extends ExaminedName {
  outputs: SiteOutputs | undefined;
  access: ExpectedAccess;
}

/** A host and the payload for its agent. */
export interface ExaminedHost {
  /** Names it in findings where the stack has several hosts. */
  subject: Subject;
  host: OriginHost;
  payload: DoctorPayload;
}

/** All subjects of a stack. */
export interface Subjects {
  /** The main one first. */
  sites: readonly ExaminedSite[];
  /** None or one. */
  shares: readonly ExaminedName[];
  /** The main one first. */
  hosts: readonly ExaminedHost[];
}

/** The subjects of a stack by its settings; `outputs` are `undefined` before the first `up`. */
export function subjectsOf(settings: SettingsValues, outputs: Outputs | undefined): Subjects {
  const [all, hosts] = [sitesOf(settings), hostsOf(settings)];
  const { publicShareHostname: shareName, publicShareUpstream } = settings;
  const originAddresses = hosts.flatMap((host) => host.originAddresses);
  const named = (site: string): Subject => (all.length > 1 ? { site } : {});
  const sites = each(all, (site): ExaminedSite => {
    const { hostname } = site;
    const own = hostname === settings.hostname ? outputs : outputs?.moreSites?.[hostname];
    const ids = Object.entries(own?.devices ?? {}).map(([device, { clientId }]) => [device, clientId] as const);
    const view = { ...settingsForSite(settings, site, hosts[0]), originAddresses };
    const access = { ...view, audience: own?.audience, devices: Object.fromEntries(ids) };
    return { subject: named(hostname), serves: "immich", settings: view, outputs: own, access };
  });
  const shares: ExaminedName[] =
    shareName === ""
      ? []
      : [{ subject: named(shareName), serves: "shares", settings: { ...sites[0].settings, hostname: shareName } }];

  const examined = (host: OriginHost): ExaminedHost => {
    const immich = all.map((site, place): DoctorPayload["sites"][number] => {
      const upstream = upstreamOn(settings, host, site);
      return {
        hostname: site.hostname,
        serves: "immich",
        upstream,
        tokenCheck: settings.originJwtCheck,
        audience: sites[place]?.outputs?.audience ?? null,
      };
    });
    const shared = shares.map(({ settings: { hostname } }): DoctorPayload["sites"][number] => ({
      hostname,
      serves: "shares",
      upstream: publicShareUpstream,
      tokenCheck: false,
      audience: null,
    }));
    return {
      subject: hosts.length > 1 ? { host: host.sshAddress } : {},
      host,
      payload: {
        sshPort: host.sshPort,
        homeNetworks: [...host.homeNetworks].sort(),
        sshFrom: host.sshFrom,
        keepOpen: host.keepOpen,
        confirmSeconds: settings.confirmSeconds,
        originPort: settings.originPort,
        sites: [...immich, ...shared],
      },
    };
  };
  return { sites, shares, hosts: hosts.map(examined) };
}
