// The sandbox's certificates: issues them, and reads certificate requests.

import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import { Certificate, id_ce_basicConstraints } from "@peculiar/asn1-x509";
import { caIssuer, certificate, type Issuer, selfIssuer } from "../../toolchain/x509/certificate.ts";
import { attribute, distinguishedName, hostName } from "../../toolchain/x509/names.ts";
import { readRequest as read, type RequestContents } from "../../toolchain/x509/request.ts";

const ATTRIBUTES = {
  C: attribute.country,
  O: attribute.organization,
  OU: attribute.organizationalUnit,
  CN: attribute.commonName,
} as const;

const USES = { serverAuth: "server_auth", clientAuth: "client_auth" } as const;

/** Distinguished name as a list of attributes in order, e.g. `[["O", "Example"], ["CN", "example.com"]]`. */
export type Name = [keyof typeof ATTRIBUTES, string][];

/** A certificate with its private key, both PEM. */
export interface KeyPairPem {
  certificate: string;
  privateKey: string;
}

/** The contents of a certificate. */
export interface CertificateRequestArgs {
  subject: Name;
  publicKey: KeyObject;
  /** DNS names (or IP addresses) for subjectAltName. Default: none. */
  hostnames?: string[];
  notBefore: Date;
  notAfter: Date;
  /** True makes it a CA with path length 0. Default false. */
  isCa?: boolean;
  /** Extended key usages. Default: none, which means any. */
  usages?: (keyof typeof USES)[];
}

const subjectOf = (name: Name) =>
  distinguishedName(name.map(([label, value]) => [ATTRIBUTES[label], [value]] as const));

function build(args: CertificateRequestArgs, issuer: Issuer): string {
  const isCa = args.isCa === true;
  const keyUses = isCa ? ["cert_signing", "crl_signing"] : ["digital_signature", "key_encipherment"];
  return certificate(
    {
      subject: subjectOf(args.subject),
      publicKey: args.publicKey,
      names: (args.hostnames ?? []).map(hostName),
      allowedUses: [...keyUses, ...(args.usages ?? []).map((use) => USES[use])],
      isCa,
      maxPathLength: 0,
      from: args.notBefore,
      until: args.notAfter,
      subjectKeyId: true,
    },
    issuer,
  ).pem;
}

/** Issues a certificate signed by `issuer`. Returns PEM. @throws Error when the issuer's key is not its certificate's. */
export function issue(issuer: KeyPairPem, args: CertificateRequestArgs): string {
  const key = createPrivateKey(issuer.privateKey);
  const named = { certificate: "the issuer's certificate", key: "the issuer's key" };
  return build(args, caIssuer(issuer.certificate, key, named));
}

/** A fresh key pair: P-256 or RSA 2048. */
export function newKey(type: "ec" | "rsa"): { publicKey: KeyObject; privateKey: KeyObject; pem: string } {
  const pair =
    type === "ec"
      ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...pair, pem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

/** A private key with its public half. */
export type Key = Pick<ReturnType<typeof newKey>, "publicKey" | "privateKey" | "pem">;

/** Makes a self-signed certificate: a CA unless `args.isCa` is false. Default key: a fresh P-256 one. */
export function selfSigned(args: Omit<CertificateRequestArgs, "publicKey">, key: Key = newKey("ec")): KeyPairPem {
  const issuer = selfIssuer(subjectOf(args.subject), key.privateKey, true);
  return { certificate: build({ isCa: true, ...args, publicKey: key.publicKey }, issuer), privateKey: key.pem };
}

/**
 * Reads a PKCS#10 certificate request, also under the label that older tools write.
 * Throws an Error that says what is wrong with it, or that it is not signed with its own key.
 */
export function readRequest(pem: string): RequestContents {
  return read(pem.replaceAll(" NEW CERTIFICATE REQUEST-", " CERTIFICATE REQUEST-"), "csr");
}

/** Whether a certificate states its basic constraints at all (Cloudflare wants CA:FALSE written out). */
export function statesBasicConstraints(raw: Buffer): boolean {
  const { extensions } = AsnConvert.parse(raw, Certificate).tbsCertificate;
  return extensions?.some(({ extnID }) => extnID === id_ce_basicConstraints) ?? false;
}
