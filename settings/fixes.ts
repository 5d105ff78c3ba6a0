import { ORIGIN_CA_VALIDITIES, withinOriginCa } from "./durations.ts";

/** The longest validity up to a year that the Origin CA's own end leaves. */
const validityDays = () => ORIGIN_CA_VALIDITIES.findLast((days) => days <= 365 && withinOriginCa(days)) ?? 7;

/** What to type for a setting that is missing or wrong, after `pulumi config set `. Secrets come from files or prompts. */
const FIXES: Readonly<Record<string, string | (() => string)>> = {
  hostname: "hostname photos.example.com",
  zoneId: "zoneId <id on the zone's overview page>",
  accountId: "accountId <id on the zone's overview page>",
  apiToken: "--secret apiToken",
  apiUrl: "apiUrl https://api.cloudflare.com/client/v4",
  moreSites: "--path 'moreSites[0].hostname' album.example.com   # and .immichUpstream, .emails[0], .devices[0]",
  moreHosts: "--path 'moreHosts[0].sshAddress' <address>   # and .sshHostKey, .originAddresses[0]",
  originAddresses: "--path 'originAddresses[0]' <public address of the host>",
  sshAddress: "sshAddress <the host's own address or name>",
  sshPort: "sshPort 22",
  sshUser: "sshUser root",
  sshPrivateKey: "--secret sshPrivateKey < ~/.ssh/<key file>",
  sshHostKey:
    'sshHostKey "$(ssh-keyscan -t ed25519 <address>)"   # compare it with /etc/ssh/ssh_host_ed25519_key.pub on the host',
  immichUpstream: "immichUpstream 127.0.0.1:2283",
  dockerPublishedPort: "dockerPublishedPort refuse",
  publicShareHostname: "publicShareHostname shares.example.com   # or: pulumi config rm publicShareHostname",
  publicShareUpstream: "publicShareUpstream 127.0.0.1:3000",
  confirmSeconds: "confirmSeconds 120",
  hostRevision: "hostRevision 0",
  emails: "--path 'emails[0]' you@example.com",
  emailDomains: "--path 'emailDomains[0]' example.com",
  sessionDuration: "sessionDuration 24h",
  loginProvider: "loginProvider create",
  devices: "--path 'devices[0]' annas-phone",
  deviceRotations: "--path 'deviceRotations.<device>.secretVersion' 2   # and .previousSecretExpiresAt <time>",
  tokenDuration: "tokenDuration 8760h",
  anyServiceToken: "anyServiceToken false",
  originJwtCheck: "originJwtCheck true",
  teamDomain: "teamDomain <team>.cloudflareaccess.com   # in the Zero Trust dashboard under Settings",
  certificateValidityDays: () => `certificateValidityDays ${validityDays()}`,
  originPulls: "originPulls hostname",
  originPullsKey: "originPullsKey RSA-2048",
  originPullsCa: 'originPullsCa ""',
  minTlsVersion: "minTlsVersion 1.2",
  alwaysUseHttps: "alwaysUseHttps true",
  ipRanges: "--path 'ipRanges[0]' <range>   # or: pulumi config rm ipRanges",
};

/** The command that sets a key to something valid. */
export function fixLine(key: string): string {
  const fix = FIXES[key] ?? key;
  return `pulumi config set ${typeof fix === "string" ? fix : fix()}`;
}
