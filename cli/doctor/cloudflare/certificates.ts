import { X509Certificate } from "node:crypto";
import { renewalLeadDays } from "../../../components/renewal.ts";
import type { SettingsValues } from "../../../settings/schema.ts";
import { type Check, expiryFinding, type Finding, failed, passed } from "../finding.ts";
import { rerunCommand } from "../host.ts";
import type { OriginCertificate, OriginPulls } from "./facts.ts";
import { REFRESH_UP } from "./zone.ts";

/** What the certificates are compared with. */
export interface ExpectedCertificates {
  settings: Pick<SettingsValues, "hostname" | "originPulls" | "hostRevision" | "certificateValidityDays">;
  now: Date;
}

/** The option of `pulumi up` that replaces a resource of the site, with its dependents. */
const replaceOption = (hostname: string, resource: string) => `--replace '**::${hostname}-${resource}'`;

/** Check of the origin pulls; the finding if they cannot be read. */
export const PULLS: Check = {
  id: "origin-pulls",
  place: "cloudflare",
  title: "Origin pulls",
  why: "Cloudflare presents no client certificate that the host accepts, so every visitor gets 400.",
  fix: REFRESH_UP,
};
const PULLS_END: Check = {
  id: "origin-pulls-end",
  place: "cloudflare",
  title: "Origin pulls' end",
  why: "Once the certificate has expired, the host rejects Cloudflare: every visitor gets 400.",
  fix: "pulumi up",
};

/**
 * Whether Cloudflare presents a certificate to the host, whether the host accepts it, and for how long.
 *
 * @param pulls the API's answer for the stack's mode; `undefined` if there is none
 * @param ca the CA that nginx on the host trusts, PEM; `undefined` if the host could not be asked
 */
export function originPullsFindings(
  pulls: OriginPulls | undefined,
  ca: string | undefined,
  wanted: ExpectedCertificates,
): Finding[] {
  const { hostname, originPulls: mode, hostRevision, certificateValidityDays } = wanted.settings;
  const renew = replaceOption(hostname, "origin-pulls-certificate-leaf");
  // A refresh does not detect that a host name's certificate is switched off: the provider does not read the switch.
  const off = mode === "hostname" ? `pulumi up ${renew}` : REFRESH_UP;
  if (!pulls?.enabled) return [failed(PULLS, "are off", off)];
  const { certificate } = pulls;
  if (!certificate) return [passed(PULLS, "on, with the certificate that all of Cloudflare's customers share")];
  const end = expiryFinding(PULLS_END, certificate.expires_on, wanted.now, renewalLeadDays(certificateValidityDays));
  if (certificate.status !== "active") {
    return [
      failed(PULLS, `the certificate is not in use, its status is ${certificate.status}`, `pulumi up ${renew}`),
      end,
    ];
  }
  if (ca !== undefined && !issuedBy(certificate.certificate, ca)) {
    const both = `${rerunCommand(hostRevision)} ${renew}`;
    return [failed(PULLS, "the certificate is not signed by the CA that the host trusts", both), end];
  }
  return [passed(PULLS, ca === undefined ? "on" : "on, with a certificate that the host trusts"), end];
}

/** Whether one of the CAs in a file has issued a certificate. */
function issuedBy(pem: string, cas: string): boolean {
  const certificate = new X509Certificate(pem);
  return (cas.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [])
    .map((ca) => new X509Certificate(ca))
    .some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
}

/** Check of the origin certificate; the finding if the certificates cannot be read. */
export const ORIGIN: Check = {
  id: "origin-certificate",
  place: "cloudflare",
  title: "Origin certificate",
  why: "In Full (strict) Cloudflare rejects a revoked certificate of the host: every visitor gets 526.",
  fix: REFRESH_UP,
};
const ORIGIN_END: Check = {
  id: "origin-certificate-end",
  place: "cloudflare",
  title: "Origin certificate's end",
  why: "Once the certificate has expired, Cloudflare rejects the host: every visitor gets 526.",
  fix: "pulumi up",
};

/**
 * Whether Cloudflare still accepts the host's certificate, and for how long.
 *
 * @param issued the zone's certificates from the API
 * @param installed the host's certificate, PEM
 */
export function originCertificateFindings(
  issued: readonly OriginCertificate[],
  installed: string,
  { settings: { hostname, certificateValidityDays }, now }: ExpectedCertificates,
): Finding[] {
  const { fingerprint256, validTo } = new X509Certificate(installed);
  const known = issued.find(({ certificate }) => new X509Certificate(certificate).fingerprint256 === fingerprint256);
  const fix = `pulumi up ${replaceOption(hostname, "origin-certificate-key")}`;
  const end = expiryFinding(ORIGIN_END, validTo, now, renewalLeadDays(certificateValidityDays));
  if (!known) return [failed(ORIGIN, "the host's is not among those that Cloudflare lists as valid", fix), end];
  if (known.revoked_at !== undefined) return [failed(ORIGIN, "the host's is revoked", fix), end];
  return [passed(ORIGIN, "the host's is among those that Cloudflare lists as valid"), end];
}
