// The client certificates of authenticated origin pulls: how they are accepted, shown, deleted, and when the edge follows.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { statesBasicConstraints } from "../certificates/x509.ts";
import { ApiError } from "./answers.ts";
import { now, rfc3339 } from "./bodies.ts";
import { newId } from "./ids.ts";
import type { DeletedPullCertificate, Options, PullCertificate, PullChange, Zone } from "./state.ts";

/** Certificates for the whole zone, and those for single host names. */
export type Kind = "certificates" | "hostname_certificates";

/** How many certificates for single host names a zone can have; the code of the refusal is not documented. */
const HOSTNAME_CERTIFICATES = 10;

export const inMilliseconds = (milliseconds: number): string => new Date(Date.now() + milliseconds).toISOString();

/** Whether an instant has come. */
export const isPast = (instant: string): boolean => Date.parse(instant) <= Date.now();

/** The certificate of an upload. Throws if it is not a leaf, is over, or does not go with its key. */
export function parseUpload(body: { certificate: string; private_key: string }): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(body.certificate);
  } catch {
    throw new ApiError(400, 1401, "The certificate is not a valid PEM certificate.");
  }
  if (certificate.ca) throw new ApiError(400, 1412, "Missing leaf certificate. Only leaf certificate is allowed.");
  if (!statesBasicConstraints(certificate.raw)) throw new ApiError(400, 1412, "Only leaf certificate is allowed.");
  if (isPast(certificate.validTo)) throw new ApiError(400, 1405, "The certificate has expired.");
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(body.private_key));
  } catch {
    throw new ApiError(400, 1403, "The private key is not a valid PEM private key.");
  }
  if (!matches) throw new ApiError(400, 1404, "The private key does not match the certificate.");
  return certificate;
}

const fingerprint = (pem: string): string => new X509Certificate(pem).fingerprint256;

/**
 * Adds an uploaded certificate to a zone. The same one again is refused while it is there or on its way out; one that
 * was deleted comes back under its former id.
 */
export function addCertificate(
  zone: Zone,
  kind: Kind,
  body: { certificate: string; private_key: string },
  { origin_pull_activation_ms: activation }: Options,
): PullCertificate {
  const { origin_pulls: pulls } = zone;
  const wanted = parseUpload(body).fingerprint256;
  const isSame = ({ certificate }: PullCertificate) => fingerprint(certificate) === wanted;
  const former = pulls.deleted.find((one) => one.kind === kind && isSame(one));
  if (pulls[kind].some(isSame) || (former && !isPast(former.deleted_from))) {
    throw new ApiError(400, 1406, "The certificate has already been uploaded.");
  }
  if (kind === "hostname_certificates" && pulls[kind].length >= HOSTNAME_CERTIFICATES) {
    throw new ApiError(400, 1408, `A zone has at most ${HOSTNAME_CERTIFICATES} hostname certificates.`);
  }
  pulls.deleted = pulls.deleted.filter((one) => one !== former);
  const certificate: PullCertificate = {
    id: former?.id ?? newId(),
    certificate: body.certificate,
    private_key: body.private_key,
    uploaded_on: now(),
    active_from: inMilliseconds(activation),
  };
  pulls[kind].push(certificate);
  return certificate;
}

/** Deletes a certificate. Throws as long as it is on its way to the edge, or the edge presents it for a host name. */
export function deleteCertificate(zone: Zone, kind: Kind, id: string, options: Options): PullCertificate {
  const { origin_pulls: pulls } = zone;
  const certificate = findCertificate(pulls[kind], id);
  const changing = pulls.changing.filter(({ until }) => !isPast(until));
  if (kind === "hostname_certificates" && [...pulls.hostnames, ...changing].some(({ cert_id }) => cert_id === id)) {
    throw new ApiError(400, 1433, "The certificate is in use by a hostname association.");
  }
  if (!isPast(certificate.active_from)) throw new ApiError(400, 1434, "The certificate is pending deployment.");
  pulls[kind] = pulls[kind].filter((one) => one.id !== id);
  pulls.deleted.push({ ...certificate, kind, deleted_from: inMilliseconds(options.origin_pull_deletion_ms) });
  return certificate;
}

/** The certificate with an id. */
export function findCertificate(certificates: readonly PullCertificate[], id: string): PullCertificate {
  const certificate = certificates.find((one) => one.id === id);
  if (certificate === undefined) throw new ApiError(404, 1411, "The requested certificate was not found.");
  return certificate;
}

/** The change of a host name's association that has not reached the edge yet. */
export const changeOf = (zone: Zone, hostname: string): PullChange | undefined =>
  zone.origin_pulls.changing.find((change) => change.hostname === hostname && !isPast(change.until));

/** Whether the certificate has reached the edge, or left it. */
export function statusOf(certificate: PullCertificate | DeletedPullCertificate): string {
  if ("deleted_from" in certificate) return isPast(certificate.deleted_from) ? "deleted" : "pending_deletion";
  return isPast(certificate.active_from) ? "active" : "pending_deployment";
}

/** What the API shows of a certificate wherever it appears. */
export function details(certificate: PullCertificate): Record<string, string> {
  const parsed = new X509Certificate(certificate.certificate);
  return {
    certificate: certificate.certificate,
    expires_on: rfc3339(new Date(parsed.validTo)),
    issuer: parsed.issuer.split("\n").reverse().join(","),
    serial_number: BigInt(`0x${parsed.serialNumber}`).toString(),
    signature: parsed.publicKey.asymmetricKeyType === "rsa" ? "SHA256WithRSA" : "ECDSA-SHA256",
    uploaded_on: certificate.uploaded_on,
  };
}

/** A certificate as its own address shows it. One for the whole zone also says whether that level is switched on. */
export const shownCertificate = (zone: Zone, kind: Kind, certificate: PullCertificate): object => ({
  id: certificate.id,
  status: statusOf(certificate),
  ...details(certificate),
  ...(kind === "certificates" && { enabled: zone.origin_pulls.enabled }),
});

/** All certificates of a kind, deleted ones too. */
export const listedCertificates = (zone: Zone, kind: Kind): PullCertificate[] => [
  ...zone.origin_pulls[kind],
  ...zone.origin_pulls.deleted.filter((one) => one.kind === kind),
];
