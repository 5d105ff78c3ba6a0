// Certificate requests (PKCS #10), written as Go's crypto/x509 writes them.
import { createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { Attributes, CertificationRequest, CertificationRequestInfo } from "@peculiar/asn1-csr";
import { AsnConvert } from "@peculiar/asn1-schema";
import { Attribute, Extensions, SubjectAlternativeName, id_ce_subjectAltName } from "@peculiar/asn1-x509";
import type { GeneralName, Name } from "@peculiar/asn1-x509";
import { alternativeNames } from "./names.ts";
import { fromPem, toPem } from "./pem.ts";
import { isSigned, publicKeyInfo, signature, signatureAlgorithm } from "./signature.ts";

const extensionRequest = "1.2.840.113549.1.9.14";

/** A certificate request, signed with its own key. */
export function certificateRequest(
  subject: Name,
  names: readonly GeneralName[],
  key: KeyObject,
): { pem: string; der: Buffer } {
  const extensions = alternativeNames(names, subject);
  const requested = new Attribute({
    type: extensionRequest,
    values: [AsnConvert.serialize(new Extensions(extensions))],
  });
  const info = new CertificationRequestInfo({
    subject,
    subjectPKInfo: publicKeyInfo(key),
    attributes: new Attributes(extensions.length === 0 ? [] : [requested]),
  });
  const request = new CertificationRequest({
    certificationRequestInfo: info,
    signatureAlgorithm: signatureAlgorithm(key),
    signature: signature(AsnConvert.serialize(info), key),
  });
  const der = Buffer.from(AsnConvert.serialize(request));
  return { der, pem: toPem(der, "CERTIFICATE REQUEST") };
}

/** What a certificate request asks for. */
export interface RequestContents {
  subject: Name;
  publicKey: KeyObject;
  /** DNS names, URIs and addresses; alternative names of other kinds are left out, as the official plugin does. */
  names: GeneralName[];
}

/**
 * Reads a certificate request.
 * @throws Error naming `what` when it is none, or is not signed with its own key.
 */
export function readRequest(pem: string, what: string): RequestContents {
  const bad = (why: string) => new Error(`${what} is not a usable certificate request: ${why}`);
  const der = fromPem(pem, "CERTIFICATE REQUEST", what);
  let request: CertificationRequest;
  let publicKey: KeyObject;
  try {
    request = AsnConvert.parse(der, CertificationRequest);
    const spki = Buffer.from(AsnConvert.serialize(request.certificationRequestInfo.subjectPKInfo));
    publicKey = createPublicKey({ key: spki, format: "der", type: "spki" });
  } catch {
    throw bad("it cannot be parsed");
  }
  const { certificationRequestInfo: info, certificationRequestInfoRaw: raw, signatureAlgorithm: algorithm } = request;
  const good = isSigned(raw ?? AsnConvert.serialize(info), algorithm, request.signature, publicKey);
  if (good === undefined) throw bad("its signature algorithm is not supported");
  if (!good) throw bad("its signature does not match its key");

  const requested = info.attributes?.find(({ type }) => type === extensionRequest)?.values[0];
  const extensions = requested === undefined ? [] : AsnConvert.parse(requested, Extensions);
  const value = extensions.find(({ extnID }) => extnID === id_ce_subjectAltName)?.extnValue;
  const names = value === undefined ? [] : AsnConvert.parse(value, SubjectAlternativeName);
  const kept = names.filter((name) => name.dNSName ?? name.uniformResourceIdentifier ?? name.iPAddress);
  return { subject: info.subject, publicKey, names: [...kept] };
}
