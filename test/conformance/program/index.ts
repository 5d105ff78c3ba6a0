// The program behind ../traces: every resource type and function of the stand-in plugins `tls` and `cloudflare`.
// `phase` 2 is the program as it was for update.jsonl.
import { createRequire } from "node:module";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

// As a whole, but lazily: see components/cloudflare.ts.
const cloudflare = createRequire(import.meta.url)(
  "@pulumi/cloudflare",
) as typeof import("../../../components/cloudflare.ts");
Reflect.deleteProperty(Error, "prepareStackTrace");

const config = new pulumi.Config();
const changed = config.require("phase") === "2";
const zoneId = config.require("zoneId");
const accountId = config.require("accountId");
const hostname = "immich.example.com";

const api = new cloudflare.Provider("api", {
  baseUrl: config.require("apiUrl"),
  apiToken: config.requireSecret("apiToken"),
});
const options = { provider: api };

export const ranges = cloudflare.getIpRangesOutput({}, options).ipv4Cidrs;

// Certificates of the origin and for origin pulls.
const originKey = new tls.PrivateKey("origin", { algorithm: "ECDSA", ecdsaCurve: "P256" });
const originRequest = new tls.CertRequest("origin", {
  privateKeyPem: originKey.privateKeyPem,
  dnsNames: [hostname],
  subject: { commonName: hostname },
});
const caKey = new tls.PrivateKey("ca", { algorithm: "RSA", rsaBits: 2048 });
const ca = new tls.SelfSignedCert("ca", {
  privateKeyPem: caKey.privateKeyPem,
  isCaCertificate: true,
  allowedUses: ["cert_signing", "crl_signing"],
  subject: { commonName: "origin pulls CA" },
  validityPeriodHours: 87600,
});
const leafKey = new tls.PrivateKey("leaf", { algorithm: "RSA", rsaBits: 2048 });
const leafRequest = new tls.CertRequest("leaf", {
  privateKeyPem: leafKey.privateKeyPem,
  subject: { commonName: hostname },
});
const leaf = new tls.LocallySignedCert("leaf", {
  caCertPem: ca.certPem,
  caPrivateKeyPem: caKey.privateKeyPem,
  certRequestPem: leafRequest.certRequestPem,
  allowedUses: ["digital_signature", "client_auth"],
  validityPeriodHours: 8760,
});
const originCertificate = new cloudflare.OriginCaCertificate(
  "origin",
  {
    csr: originRequest.certRequestPem,
    hostnames: [hostname],
    requestType: "origin-ecc",
    requestedValidity: 365,
  },
  options,
);

// The zone.
new cloudflare.ZoneSetting("ssl", { zoneId, settingId: "ssl", value: changed ? "full" : "strict" }, options);
new cloudflare.ZoneSetting("tca", { zoneId, settingId: "tls_client_auth", value: "on" }, options);
const pair = { zoneId, certificate: leaf.certPem, privateKey: leafKey.privateKeyPem };
const zoneCertificate = new cloudflare.AuthenticatedOriginPullsCertificate("zc", pair, options);
new cloudflare.AuthenticatedOriginPullsSettings(
  "zs",
  { zoneId, enabled: true },
  { ...options, dependsOn: zoneCertificate },
);
const hostCertificate = new cloudflare.AuthenticatedOriginPullsHostnameCertificate("hc", pair, options);
new cloudflare.AuthenticatedOriginPulls(
  "hp",
  { zoneId, configs: [{ hostname, certId: hostCertificate.id, enabled: true }] },
  options,
);

// Access.
const token = new cloudflare.ZeroTrustAccessServiceToken(
  "st",
  {
    accountId,
    name: "phone",
    duration: "8760h",
    ...(changed ? { clientSecretVersion: 2, previousClientSecretExpiresAt: "2026-12-01T00:00:00Z" } : {}),
  },
  options,
);
const pin = new cloudflare.ZeroTrustAccessIdentityProvider(
  "otp",
  { accountId, name: "One-time PIN", type: "onetimepin", config: {} },
  options,
);
const devices = new cloudflare.ZeroTrustAccessPolicy(
  "devices",
  {
    accountId,
    name: "devices",
    decision: "non_identity",
    includes: [changed ? { anyValidServiceToken: {} } : { serviceToken: { tokenId: token.id } }],
  },
  options,
);
const people = new cloudflare.ZeroTrustAccessPolicy(
  "people",
  {
    accountId,
    name: "people",
    decision: "allow",
    includes: [{ email: { email: "a@example.com" } }, { emailDomain: { domain: "example.org" } }],
    sessionDuration: "24h",
  },
  options,
);
const application = new cloudflare.ZeroTrustAccessApplication(
  "app",
  {
    accountId,
    name: changed ? "Immich 2" : "Immich",
    type: "self_hosted",
    domain: hostname,
    destinations: [{ type: "public", uri: hostname }],
    sessionDuration: "24h",
    allowedIdps: [pin.id],
    autoRedirectToIdentity: true,
    httpOnlyCookieAttribute: true,
    sameSiteCookieAttribute: "lax",
    serviceAuth401Redirect: true,
    policies: [
      { id: devices.id, precedence: 1 },
      { id: people.id, precedence: 2 },
    ],
  },
  options,
);
new cloudflare.DnsRecord(
  "dns",
  {
    zoneId,
    name: hostname,
    type: "A",
    content: changed ? "203.0.113.11" : "203.0.113.10",
    proxied: true,
    ttl: 1,
    comment: "x",
  },
  { ...options, dependsOn: application },
);

export const certificate = originCertificate.certificate;
export const clientSecret = token.clientSecret;
