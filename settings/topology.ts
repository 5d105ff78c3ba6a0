// A stack's sites and hosts: the main ones, whose settings are at the top level, and those of `moreSites` and
// `moreHosts`.

import type { SecretSetting, SettingsValues } from "./schema.ts";

/** The settings of a site in front of Immich. */
export type SiteSettings = SettingsValues["moreSites"][number];

/** A host that serves the sites. */
export type OriginHost = SettingsValues["moreHosts"][number];

/** A host through which SSH leads to another one. */
export type JumpHost = NonNullable<SettingsValues["sshJump"]>;

/** A list with at least one entry. */
export type NonEmpty<T> = [T, ...T[]];

/** Maps a list that is never empty to another one. */
export const each = <T, U>([first, ...rest]: Readonly<NonEmpty<T>>, make: (item: T) => U): NonEmpty<U> => [
  make(first),
  ...rest.map(make),
];

/** Where Cloudflare connects to a host if no origin rule leads it elsewhere. */
export const HTTPS_PORT = 443;

type Values = Omit<SettingsValues, SecretSetting>;

/** All sites, the main one first. */
export function sitesOf(values: Values): NonEmpty<SiteSettings> {
  const { hostname, immichUpstream, emails, emailDomains, devices, deviceRotations } = values;
  return [{ hostname, immichUpstream, emails, emailDomains, devices, deviceRotations }, ...values.moreSites];
}

/** The host names of all sites, with that of the public shares if there are any. */
export const hostnamesOf = (values: Values): string[] => [
  ...sitesOf(values).map(({ hostname }) => hostname),
  ...(values.publicShareHostname === "" ? [] : [values.publicShareHostname]),
];

/** All hosts, the main one first. */
export function hostsOf(values: Values): NonEmpty<OriginHost> {
  const { sshAddress, sshPort, sshUser, sshHostKey, sshJump, originAddresses, homeNetworks, immichUpstream } = values;
  const { sshFrom, keepOpen, closeOthers } = values;
  const main = { sshAddress, sshPort, sshUser, sshHostKey, sshJump, originAddresses, homeNetworks, immichUpstream };
  return [{ ...main, sshFrom, keepOpen, closeOthers }, ...values.moreHosts];
}

/** The port of the hosts on which nginx serves the sites; `undefined` for 443, which needs no origin rule. */
export const otherPort = ({ originPort }: Pick<Values, "originPort">): number | undefined =>
  originPort === HTTPS_PORT ? undefined : originPort;

/** Where a host's nginx finds a site's Immich. The main site's can differ between hosts. */
export const upstreamOn = (values: Values, host: OriginHost, site: SiteSettings): string =>
  site.hostname === values.hostname ? host.immichUpstream : site.immichUpstream;

/** The settings of a stack reduced to one of its sites on one of its hosts. */
export function settingsForSite<T extends Values>(values: T, site: SiteSettings, host: OriginHost): T {
  const immichUpstream = upstreamOn(values, host, site);
  return { ...values, ...site, ...host, immichUpstream, moreSites: [], moreHosts: [] };
}
