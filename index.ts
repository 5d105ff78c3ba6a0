import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { AccessApplication } from "./components/access-application.ts";
import * as cloudflare from "./components/cloudflare.ts";
import { DnsRecords } from "./components/dns-records.ts";
import { cloudflareRanges } from "./components/ip-ranges.ts";
import { LoginProvider } from "./components/login-provider.ts";
import { LostAnswers } from "./components/lost-answers/index.ts";
import { OriginCertificate } from "./components/origin-certificate.ts";
import { HostCertificates, HostFirewall, HostNginx, HostSite } from "./components/origin-host/index.ts";
import { OriginPullsCertificate } from "./components/origin-pulls/certificate.ts";
import { OriginPulls } from "./components/origin-pulls/index.ts";
import { PublicShares } from "./components/public-shares.ts";
import { ZoneTls } from "./components/zone-tls.ts";
import { loadSettings } from "./settings/index.ts";
import { ownPort } from "./settings/network.ts";
import { each, hostsOf, type OriginHost, sitesOf, upstreamOn } from "./settings/topology.ts";

// The order is the safety: each part depends on the one before it, so that nothing answers on the internet before it is
// guarded, and on destroy everything goes in the reverse order. Components wait for one another as wholes.

// The SDK sends every stack trace through source maps, and it makes one for each promise: a third of a run's time. Node
// runs these files as they are written, so their traces need none.
Reflect.deleteProperty(Error, "prepareStackTrace");

const settings = loadSettings();
const { zoneId, accountId } = settings;
const cloudflareApi = { apiUrl: settings.apiUrl, apiToken: settings.apiToken, zoneId };

// Whatever serves a host name carries it in its own name. So another `hostname` makes a new site beside the old one,
// which is then taken away from its DNS records on; changed in place, the old name would be online without its guard.
//
// `own` is what has been made for a site so far. What comes later depends on it directly, and not only through what
// several share: a site that goes alone then goes in the reverse order, too.
const named = <T extends { hostname: string }>(
  site: T,
  serves: "immich" | "shares",
  upstream: (host: OriginHost) => string,
) => ({
  ...site,
  serves,
  upstream,
  own: Array<pulumi.Resource>(),
  part: (name: string) => `${site.hostname}-${name}`,
  lostAnswers: new LostAnswers({ ...cloudflareApi, hostname: site.hostname }),
});
const immichSites = each(sitesOf(settings), (site) =>
  named(site, "immich", (host) => upstreamOn(settings, host, site)),
);
const { publicShareHostname, publicShareUpstream } = settings;
const shareSites =
  publicShareHostname === "" ? [] : [named({ hostname: publicShareHostname }, "shares", () => publicShareUpstream)];

// Each step on a host is for all sites, so that more of them need no more SSH connections. The main host can move to
// another address; each other one is known by its own.
const hosts = hostsOf(settings).map((host, place) => ({
  ...host,
  part: (name: string) => (place === 0 ? name : `${host.sshAddress}-${name}`),
  // The zone tells checkouts apart whose stacks have the same name.
  owner: [pulumi.getProject(), pulumi.getStack(), zoneId, place === 0 ? "" : host.sshAddress].join("/"),
  connection: {
    host: host.sshAddress,
    port: host.sshPort,
    user: host.sshUser,
    privateKey: settings.sshPrivateKey,
    hostKey: host.sshHostKey,
    revision: settings.hostRevision,
  },
}));

const provider = new cloudflare.Provider("cloudflare", { apiToken: settings.apiToken, baseUrl: settings.apiUrl });

// 1. Firewall: only Cloudflare may reach port 443.
const ranges = cloudflareRanges(settings.ipRanges, provider);
const shut = hosts.map((host) => ({
  ...host,
  firewall: new HostFirewall(host.part("firewall"), {
    connection: host.connection,
    owner: host.owner,
    sites: [...immichSites, ...shareSites].map(({ hostname, serves, upstream }) => ({
      hostname,
      serves,
      upstreamPort: ownPort(upstream(host)),
    })),
    ranges,
    dockerPublishedPort: settings.dockerPublishedPort,
    confirmSeconds: settings.confirmSeconds,
  }),
}));

// 2. Certificates: each site's own, and the one by which Cloudflare proves itself.
const validityDays = settings.certificateValidityDays;
const pullsCertificate = ({ hostname, part }: { hostname: string; part: (name: string) => string }) =>
  new OriginPullsCertificate(part("origin-pulls-certificate"), {
    hostname,
    validityDays,
    key: settings.originPullsKey,
  });
const ofWholeZone = settings.originPulls === "zone" ? pullsCertificate(immichSites[0]) : undefined;
const publishedAuthority = join(import.meta.dirname, "components/origin-pulls/cloudflare-origin-pull-ca.pem");
// Read once, and only in the mode in which no site has a certificate of its own.
const sharedAuthorityPem =
  settings.originPulls === "shared" ? settings.originPullsCa || readFileSync(publishedAuthority, "utf8") : "";
const certified = <T extends ReturnType<typeof named>>(site: T) => {
  const { hostname, part } = site;
  const origin = new OriginCertificate(part("origin-certificate"), { hostname, validityDays }, { provider });
  const pulls = settings.originPulls === "hostname" ? pullsCertificate(site) : ofWholeZone;
  site.own.push(origin);
  return { ...site, origin, pulls, clientAuthorityPem: pulls?.authorityPem ?? sharedAuthorityPem };
};
const immich = each(immichSites, certified);
const shares = shareSites.map(certified);
const sites = [...immich, ...shares];
const installation = sites.map(({ lostAnswers }) => lostAnswers.installation);
const supplied: ((typeof shut)[number] & { certificates: HostCertificates })[] = [];
for (const host of shut) {
  const certificates = new HostCertificates(
    host.part("certificates"),
    {
      connection: host.connection,
      firewall: host.firewall.summary,
      sites: sites.map(({ hostname, origin, clientAuthorityPem }) => ({
        hostname,
        certificatePem: origin.certificatePem,
        privateKeyPem: origin.privateKeyPem,
        clientAuthorityPem,
      })),
      // Which certificates nothing uses any more is known when the last host has its own.
      ...(host === shut.at(-1) && { hooks: { afterCreate: installation, afterUpdate: installation } }),
    },
    { dependsOn: [host.firewall, ...supplied.map((one) => one.certificates)] },
  );
  supplied.push({ ...host, certificates });
}

// 3. Authenticated origin pulls: Cloudflare starts to present its certificates.
for (const { hostname, part, pulls, lostAnswers, own } of settings.originPulls === "hostname" ? sites : [immich[0]]) {
  const originPulls = new OriginPulls(
    part("origin-pulls"),
    {
      zoneId,
      hostname,
      mode: settings.originPulls,
      ...(pulls && { certificate: pulls }),
      hooks: lostAnswers.creation,
    },
    { provider, dependsOn: [...own, ...supplied.map(({ certificates }) => certificates)] },
  );
  own.push(originPulls);
}

// 4. Cloudflare Access: the login for people, the tokens for devices. Before nginx, because a name can lead to the host
// already: by a record from before, or a wildcard.
const prepared = [...supplied.map(({ certificates }) => certificates), ...sites.flatMap(({ own }) => own)];
const login = new LoginProvider(
  "login",
  { accountId, choice: settings.loginProvider, hooks: immich[0].lostAnswers.creation },
  { provider, dependsOn: prepared },
);
const guarded = each(immich, (site) => {
  const access = new AccessApplication(
    site.part("access"),
    {
      accountId,
      hostname: site.hostname,
      emails: site.emails,
      emailDomains: site.emailDomains,
      sessionDuration: settings.sessionDuration,
      loginProvider: login.id,
      devices: site.devices,
      rotations: site.deviceRotations,
      tokenDuration: settings.tokenDuration,
      anyServiceToken: settings.anyServiceToken,
      hooks: site.lostAnswers.creation,
    },
    { provider, dependsOn: prepared },
  );
  site.own.push(access);
  return { ...site, access };
});

// 5. nginx: the sites, for clients with those certificates only, and for whom Access has let through. On the way down
// each site leaves the host as long as its guards above still stand.
for (const { part: onHost, connection, owner, firewall, certificates } of supplied) {
  for (const { hostname, part, own } of sites) {
    const dependsOn = [firewall, certificates, ...own];
    own.push(new HostSite(part(onHost("on-host")), { connection, owner, hostname }, { dependsOn }));
  }
}
const nginx = supplied.map(
  (host) =>
    new HostNginx(
      host.part("nginx"),
      {
        connection: host.connection,
        owner: host.owner,
        certificates: host.certificates.summary,
        teamDomain: settings.teamDomain,
        sites: [
          ...guarded.map(({ hostname, serves, upstream, access }) => ({
            ...{ hostname, serves, upstream: upstream(host) },
            audience: settings.originJwtCheck ? access.audience : undefined,
          })),
          ...shares.map(({ hostname, serves, upstream }) => ({ hostname, serves, upstream: upstream(host) })),
        ],
      },
      { dependsOn: [host.certificates, ...sites.flatMap(({ own }) => own)] },
    ),
);

// 6. Full (strict).
const zoneTls = new ZoneTls(
  "zone-tls",
  { zoneId, minTlsVersion: settings.minTlsVersion, alwaysUseHttps: settings.alwaysUseHttps },
  { provider, dependsOn: nginx },
);
const guards = [...nginx, zoneTls];

// 7. DNS, last: from here on the names lead to the sites. Cloudflare spreads visitors over all addresses.
const addresses = hosts.flatMap(({ originAddresses }) => originAddresses);
for (const { hostname, part, lostAnswers, own } of guarded) {
  new DnsRecords(
    part("dns"),
    { zoneId, hostname, addresses, comment: "Immich behind Cloudflare Access", hooks: lostAnswers.creation },
    { provider, dependsOn: [...guards, ...own] },
  );
}
for (const { hostname, lostAnswers, own } of shares) {
  new PublicShares(
    hostname,
    { zoneId, hostname, addresses, hooks: lostAnswers.creation },
    { provider, dependsOn: [...guards, ...own] },
  );
}

const expiry = ({ origin, pulls }: (typeof sites)[number]) => ({
  origin: origin.expiresOn,
  ...(pulls && { originPulls: pulls.expiresOn }),
});
const [main, ...others] = each(guarded, (site) => ({
  hostname: site.hostname,
  url: `https://${site.hostname}`,
  devices: pulumi.secret(site.access.devices),
  audience: site.access.audience,
  certificateExpiry: expiry(site),
  tokenExpiry: Object.fromEntries(
    Object.entries(site.access.devices).map(([device, { expiresAt }]) => [device, expiresAt]),
  ),
}));

/** Address of the site. */
export const url = main.url;

/** Address of the public shares, where there are any: what to enter in Immich as the external domain. */
export const publicShareUrl = shares.map(({ hostname }) => `https://${hostname}`)[0];

/** By device: the values of its two headers, and when its token ends. */
export const devices = main.devices;

/** Audience tag of the Access application. */
export const audience = main.audience;

/** When the certificates end; an `up` in the month before renews them. */
export const certificateExpiry = { ...main.certificateExpiry, publicShares: shares.map(expiry)[0] };

/** By device: when its token ends. */
export const tokenExpiry = main.tokenExpiry;

/** The same of further sites, by host name. */
export const moreSites = Object.fromEntries(others.map(({ hostname, ...site }) => [hostname, site]));
