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
import { HostAccess, HostCertificates, HostFirewall, HostNginx } from "./components/origin-host/index.ts";
import { OriginPullsCertificate } from "./components/origin-pulls/certificate.ts";
import { OriginPulls } from "./components/origin-pulls/index.ts";
import { PublicShares } from "./components/public-shares.ts";
import { ZoneTls } from "./components/zone-tls.ts";
import { loadSettings } from "./settings.ts";
import { ownPort } from "./settings/network.ts";

// The order is the safety: each part depends on the one before it, so that nothing answers on the internet before it is
// guarded, and on destroy everything goes in the reverse order. Components wait for one another as wholes.

// The SDK sends every stack trace through source maps, and it makes one for each promise: a third of a run's time. Node
// runs these files as they are written, so their traces need none.
Reflect.deleteProperty(Error, "prepareStackTrace");

const settings = loadSettings();
const { hostname, zoneId, accountId } = settings;

// Whatever serves the host name carries it in its own name. So another `hostname` makes a new site beside the old one,
// which is then taken away from its DNS records on; changed in place, the old name would be online without its guard.
const site = (part: string) => `${hostname}-${part}`;

const provider = new cloudflare.Provider("cloudflare", { apiToken: settings.apiToken, baseUrl: settings.apiUrl });

const cloudflareApi = { apiUrl: settings.apiUrl, apiToken: settings.apiToken, zoneId };
const lostAnswers = new LostAnswers({ ...cloudflareApi, hostname });

const connection = {
  host: settings.sshAddress,
  port: settings.sshPort,
  user: settings.sshUser,
  privateKey: settings.sshPrivateKey,
  hostKey: settings.sshHostKey,
  revision: settings.hostRevision,
};

// 1. Firewall: only Cloudflare may reach port 443.
const immichPort = ownPort(settings.immichUpstream);
const firewall = new HostFirewall("firewall", {
  connection,
  hostname,
  ranges: cloudflareRanges(settings.ipRanges, provider),
  ...(immichPort !== undefined && { immichPort }),
  dockerPublishedPort: settings.dockerPublishedPort,
  confirmSeconds: settings.confirmSeconds,
});

// 2. Certificates: the origin's own, and the one by which Cloudflare proves itself.
const originCertificate = new OriginCertificate(
  site("origin-certificate"),
  { hostname, validityDays: settings.certificateValidityDays },
  { provider },
);
const originPullsCertificate =
  settings.originPulls === "shared"
    ? undefined
    : new OriginPullsCertificate(site("origin-pulls-certificate"), {
        hostname,
        validityDays: settings.certificateValidityDays,
        key: settings.originPullsKey,
      });
const sharedAuthorityPem = () =>
  settings.originPullsCa ||
  readFileSync(join(import.meta.dirname, "components/origin-pulls/cloudflare-origin-pull-ca.pem"), "utf8");
const clientAuthorityPem = originPullsCertificate?.authorityPem ?? sharedAuthorityPem();
const certificates = new HostCertificates(site("certificates"), {
  connection,
  hostname,
  firewall: firewall.summary,
  certificatePem: originCertificate.certificatePem,
  privateKeyPem: originCertificate.privateKeyPem,
  clientAuthorityPem,
  hooks: lostAnswers.installation,
});

// 3. Authenticated origin pulls: Cloudflare starts to present its certificate.
const originPulls = new OriginPulls(
  site("origin-pulls"),
  {
    zoneId,
    hostname,
    mode: settings.originPulls,
    ...(originPullsCertificate && { certificate: originPullsCertificate }),
    hooks: lostAnswers.creation,
  },
  { provider, dependsOn: certificates },
);

// 4. nginx: the site, for clients with that certificate only.
const nginx = new HostNginx(
  site("nginx"),
  {
    connection,
    hostname,
    serves: "immich",
    upstream: settings.immichUpstream,
    tokenCheck: settings.originJwtCheck,
    certificates: certificates.summary,
  },
  { dependsOn: originPulls },
);

// 5. Full (strict).
const zoneTls = new ZoneTls(
  "zone-tls",
  { zoneId, minTlsVersion: settings.minTlsVersion, alwaysUseHttps: settings.alwaysUseHttps },
  { provider, dependsOn: nginx },
);

// 6. Cloudflare Access: the login for people, the tokens for devices.
const login = new LoginProvider(
  "login",
  { accountId, choice: settings.loginProvider, hooks: lostAnswers.creation },
  { provider, dependsOn: zoneTls },
);
const access = new AccessApplication(
  site("access"),
  {
    accountId,
    hostname,
    emails: settings.emails,
    emailDomains: settings.emailDomains,
    sessionDuration: settings.sessionDuration,
    loginProvider: login.id,
    devices: settings.devices,
    rotations: settings.deviceRotations,
    tokenDuration: settings.tokenDuration,
    anyServiceToken: settings.anyServiceToken,
    hooks: lostAnswers.creation,
  },
  { provider, dependsOn: zoneTls },
);

// 7. Token check: nginx has let nobody in so far, and now lets in whom Access lets through.
const tokenCheck = settings.originJwtCheck
  ? new HostAccess(
      site("token-check"),
      { connection, hostname, audience: access.audience, teamDomain: settings.teamDomain },
      { dependsOn: access },
    )
  : undefined;

const guard = tokenCheck ?? access;

// 8. DNS, last: from here on the name leads to the site.
new DnsRecords(
  site("dns"),
  {
    zoneId,
    hostname,
    addresses: settings.originAddresses,
    comment: "Immich behind Cloudflare Access",
    hooks: lostAnswers.creation,
  },
  { provider, dependsOn: guard },
);

// Public shares, if wanted: a site of its own, which everybody may see and which does not lead to Immich.
const shareHostname = settings.publicShareHostname;
const publicShares =
  shareHostname === ""
    ? undefined
    : new PublicShares(
        shareHostname,
        {
          connection,
          zoneId,
          hostname: shareHostname,
          upstream: settings.publicShareUpstream,
          addresses: settings.originAddresses,
          firewall: firewall.summary,
          validityDays: settings.certificateValidityDays,
          originPulls:
            settings.originPulls === "hostname"
              ? { key: settings.originPullsKey }
              : { authorityPem: clientAuthorityPem },
          lostAnswers: new LostAnswers({ ...cloudflareApi, hostname: shareHostname }),
        },
        { provider, dependsOn: guard },
      );

/** Address of the site. */
export const url = `https://${hostname}`;

/** Address of the public shares, where there are any: what to enter in Immich as the external domain. */
export const publicShareUrl = publicShares?.url;

/** By device: the values of its two headers, and when its token ends. */
export const devices = pulumi.secret(access.devices);

/** Audience tag of the Access application. */
export const audience = access.audience;

/** When the certificates end; an `up` in the month before renews them. */
export const certificateExpiry = {
  origin: originCertificate.expiresOn,
  ...(originPullsCertificate && { originPulls: originPullsCertificate.expiresOn }),
  ...(publicShares && { publicShares: publicShares.certificateExpiry }),
};

/** By device: when its token ends. */
export const tokenExpiry = Object.fromEntries(
  Object.entries(access.devices).map(([device, { expiresAt }]) => [device, expiresAt]),
);
