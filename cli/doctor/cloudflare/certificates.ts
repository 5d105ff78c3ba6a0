import { X509Certificate } from "node:crypto";
import { type Check, ending, type Finding, ill, judged, well } from "../finding.ts";
import type { OriginCertificate, OriginPulls } from "./facts.ts";
import { REFRESH_UP } from "./zone.ts";

/** Stands for the origin pulls when they cannot be read. */
export const PULLS: Check = {
  id: "origin-pulls",
  place: "cloudflare",
  title: "Origin pulls",
  why: "Cloudflare shows the host no certificate that it accepts, so every visitor gets 400 from it.",
  fix: REFRESH_UP,
};
const PULLS_END: Check = {
  id: "origin-pulls-end",
  place: "cloudflare",
  title: "Origin pulls' end",
  why: "From its end on the host refuses Cloudflare: every visitor gets 400.",
  fix: "pulumi up",
};

/**
 * Whether Cloudflare presents a certificate to the host, whether the host accepts it, and for how long.
 *
 * @param authority the authority that nginx on the host trusts, PEM; `undefined` if the host could not be asked
 * @param lead days before its end at which an `up` renews the certificate
 */
export function originPulls(
  pulls: OriginPulls | undefined,
  authority: string | undefined,
  now: Date,
  lead: number,
): Finding[] {
  if (!pulls?.enabled) return [ill(PULLS, "are off for this host name")];
  const { certificate } = pulls;
  if (!certificate) return [well(PULLS, "on, with the certificate that all of Cloudflare shares")];
  const problem =
    certificate.status !== "active"
      ? `the certificate's status is ${certificate.status}, so the edge does not use it`
      : authority !== undefined && !issuedBy(certificate.certificate, authority)
        ? "the certificate is not of the authority that the host trusts"
        : undefined;
  return [
    judged(PULLS, problem, authority === undefined ? "on" : "on, with a certificate that the host trusts"),
    ending(PULLS_END, certificate.expires_on, now, lead),
  ];
}

function issuedBy(pem: string, authority: string): boolean {
  const [certificate, issuer] = [new X509Certificate(pem), new X509Certificate(authority)];
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Stands for the certificates when they cannot be read. */
export const ORIGIN: Check = {
  id: "origin-certificate",
  place: "cloudflare",
  title: "Origin certificate",
  why: "In Full (strict) Cloudflare refuses a revoked certificate of the host: every visitor gets 526.",
  fix: REFRESH_UP,
};

const ORIGIN_END: Check = {
  id: "origin-certificate-end",
  place: "cloudflare",
  title: "Origin certificate's end",
  why: "From its end on Cloudflare refuses the host: every visitor gets 526.",
  fix: "pulumi up",
};

/**
 * Whether Cloudflare still stands behind the certificate that lies on the host, and for how long.
 *
 * @param issued the zone's certificates by the API
 * @param installed the host's, PEM
 * @param lead days before its end at which an `up` renews the certificate
 */
export function originCertificate(
  issued: readonly OriginCertificate[],
  installed: string,
  now: Date,
  lead: number,
): Finding[] {
  const certificate = new X509Certificate(installed);
  return [standing(issued, certificate), ending(ORIGIN_END, certificate.validTo, now, lead)];
}

function standing(issued: readonly OriginCertificate[], { fingerprint256 }: X509Certificate): Finding {
  const known = issued.find(({ certificate }) => new X509Certificate(certificate).fingerprint256 === fingerprint256);
  if (!known) return ill(ORIGIN, "the host's is not among those that Cloudflare lists as valid");
  if (known.revoked_at !== undefined) return ill(ORIGIN, `the host's was revoked on ${known.revoked_at.slice(0, 10)}`);
  return well(ORIGIN, "Cloudflare stands behind the host's");
}
