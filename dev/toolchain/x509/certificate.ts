// Certificates, built as Go's crypto/x509 builds them.
import { X509Certificate, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  Extension,
  Extensions,
  KeyIdentifier,
  SubjectKeyIdentifier,
  TBSCertificate,
  Validity,
  Version,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_subjectKeyIdentifier,
} from "@peculiar/asn1-x509";
import type { Name } from "@peculiar/asn1-x509";
import { alternativeNames } from "./names.ts";
import { fromPem, toPem } from "./pem.ts";
import type { RequestContents } from "./request.ts";
import { keyIdentifier, publicKeyInfo, signature, signatureAlgorithm } from "./signature.ts";
import { usageExtensions } from "./usages.ts";

/** What a certificate says besides who signs it. */
export interface Contents extends RequestContents {
  /** Names of `usages`. */
  allowedUses: readonly string[];
  isCa: boolean;
  /** For a CA: how many CAs may be below it; undefined: any number. */
  maxPathLength: number | undefined;
  from: Date;
  until: Date;
  /** Write the subject key identifier also into a certificate that is no CA's. */
  subjectKeyId: boolean;
}

/** Who signs. */
export interface Issuer {
  name: Name;
  key: KeyObject;
  /** The issuer's key identifier, to be named in the certificate. */
  keyId: Uint8Array<ArrayBuffer> | undefined;
}

/** A random serial number: positive, and 16 bytes long whatever is drawn. */
function serialNumber(): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(randomBytes(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}

const extension = (extnID: string, critical: boolean, value: object) =>
  new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });

/** Signs a certificate. */
export function certificate(contents: Contents, issuer: Issuer): { pem: string; serial: bigint } {
  const serial = serialNumber();
  const { isCa, maxPathLength, subject } = contents;
  const publicKey = publicKeyInfo(contents.publicKey);
  const pathLength = isCa && maxPathLength !== undefined ? { pathLenConstraint: maxPathLength } : {};
  const extensions = [
    ...usageExtensions(contents.allowedUses),
    extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: isCa, ...pathLength })),
    ...(isCa || contents.subjectKeyId
      ? [extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyIdentifier(publicKey)))]
      : []),
    ...(issuer.keyId
      ? [
          extension(
            id_ce_authorityKeyIdentifier,
            false,
            new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(issuer.keyId) }),
          ),
        ]
      : []),
    ...alternativeNames(contents.names, subject),
  ];
  const algorithm = signatureAlgorithm(issuer.key);
  const body = new TBSCertificate({
    version: Version.v3,
    serialNumber: serial.buffer,
    signature: algorithm,
    issuer: issuer.name,
    validity: new Validity({ notBefore: contents.from, notAfter: contents.until }),
    subject,
    subjectPublicKeyInfo: publicKey,
    extensions: new Extensions(extensions),
  });
  const made = new Certificate({
    tbsCertificate: body,
    signatureAlgorithm: algorithm,
    signatureValue: signature(AsnConvert.serialize(body), issuer.key),
  });
  return {
    serial: BigInt(`0x${Buffer.from(serial).toString("hex")}`),
    pem: toPem(new Uint8Array(AsnConvert.serialize(made)), "CERTIFICATE"),
  };
}

/** The issuer for a certificate that signs itself. */
export function selfIssuer(subject: Name, key: KeyObject, authorityKeyId: boolean): Issuer {
  return { name: subject, key, keyId: authorityKeyId ? keyIdentifier(publicKeyInfo(key)) : undefined };
}

/**
 * The issuer that a CA's certificate and key make.
 * @throws Error naming `what.certificate` and `what.key` when they do not belong together.
 */
export function caIssuer(pem: string, key: KeyObject, what: { certificate: string; key: string }): Issuer {
  const der = fromPem(pem, "CERTIFICATE", what.certificate);
  if (!new X509Certificate(der).checkPrivateKey(key)) {
    throw new Error(`${what.key} is not the private key of the certificate in ${what.certificate}`);
  }
  const { subject, extensions } = AsnConvert.parse(der, Certificate).tbsCertificate;
  const own = extensions?.find(({ extnID }) => extnID === id_ce_subjectKeyIdentifier)?.extnValue;
  const keyId = own && new Uint8Array(AsnConvert.parse(own, SubjectKeyIdentifier).buffer);
  return { name: subject, key, keyId };
}
