// Issues X.509 certificates with node:crypto alone, and reads certificate requests.

import type { KeyObject } from "node:crypto";
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import { isIP } from "node:net";
import * as der from "./der.ts";

/** Distinguished name as a list of attributes in order, e.g. `[["O", "Example"], ["CN", "example.com"]]`. */
export type Name = ["C" | "O" | "OU" | "CN", string][];

/** A certificate with its private key, both PEM. */
export interface KeyPairPem {
  certificate: string;
  privateKey: string;
}

/** What a certificate is to say. */
export interface CertificateRequestArgs {
  subject: Name;
  publicKey: KeyObject;
  /** DNS names (or IP addresses) for subjectAltName. Default: none. */
  hostnames?: string[];
  notBefore: Date;
  notAfter: Date;
  /** True makes it a CA with path length 0. Default false. */
  authority?: boolean;
  /** Extended key usages. Default: none, which means any. */
  usages?: ("serverAuth" | "clientAuth")[];
}

const OID = {
  C: "2.5.4.6",
  O: "2.5.4.10",
  OU: "2.5.4.11",
  CN: "2.5.4.3",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

const SIGNATURES: Record<string, string> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
};

const spki = (key: KeyObject): Buffer => key.export({ type: "spki", format: "der" });

function keyIdentifier(publicKey: KeyObject): Buffer {
  const [, subjectPublicKey] = der.children(der.decode(spki(publicKey)));
  return createHash("sha1")
    .update(subjectPublicKey?.content.subarray(1) ?? Buffer.alloc(0))
    .digest();
}

function encodeName(name: Name): Buffer {
  return der.sequence(
    ...name.map(([attribute, value]) => der.set(der.sequence(der.oid(OID[attribute]), der.text(value)))),
  );
}

function subjectAltName(hostnames: string[]): Buffer {
  const entries = hostnames.map((host) =>
    isIP(host) === 4
      ? der.encode(0x87, Buffer.from(host.split(".").map(Number)))
      : der.encode(0x82, Buffer.from(host, "ascii")),
  );
  return der.sequence(...entries);
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return critical
    ? der.sequence(der.oid(id), der.boolean(true), der.octets(value))
    : der.sequence(der.oid(id), der.octets(value));
}

function extensions(args: CertificateRequestArgs, issuerKey: KeyObject): Buffer {
  // digitalSignature + keyEncipherment for a leaf, keyCertSign + cRLSign for an authority
  const usage = args.authority === true ? der.bits(Buffer.from([0x06]), 1) : der.bits(Buffer.from([0xa0]), 5);
  const constraints =
    args.authority === true ? der.sequence(der.boolean(true), der.integer(Buffer.from([0]))) : der.sequence();
  const list = [
    extension(OID.basicConstraints, true, constraints),
    extension(OID.keyUsage, true, usage),
    extension(OID.subjectKeyIdentifier, false, der.octets(keyIdentifier(args.publicKey))),
    extension(OID.authorityKeyIdentifier, false, der.sequence(der.encode(0x80, keyIdentifier(issuerKey)))),
  ];
  if (args.usages !== undefined) {
    list.push(extension(OID.extendedKeyUsage, false, der.sequence(...args.usages.map((u) => der.oid(OID[u])))));
  }
  if (args.hostnames !== undefined && args.hostnames.length > 0) {
    list.push(extension(OID.subjectAltName, false, subjectAltName(args.hostnames)));
  }
  return der.sequence(...list);
}

function build(args: CertificateRequestArgs, issuerName: Buffer, issuerKey: KeyObject): string {
  const publicKey = createPublicKey(issuerKey);
  const algorithm =
    issuerKey.asymmetricKeyType === "rsa"
      ? der.sequence(der.oid("1.2.840.113549.1.1.11"), der.nothing())
      : der.sequence(der.oid("1.2.840.10045.4.3.2"));
  const serial = randomBytes(16);
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  const body = der.sequence(
    der.tagged(0, der.integer(Buffer.from([2]))),
    der.integer(serial),
    algorithm,
    issuerName,
    der.sequence(der.time(args.notBefore), der.time(args.notAfter)),
    encodeName(args.subject),
    spki(args.publicKey),
    der.tagged(3, extensions(args, publicKey)),
  );
  const signature = sign("sha256", body, issuerKey);
  return der.toPem(der.sequence(body, algorithm, der.bits(signature)), "CERTIFICATE");
}

/** The DER encoding of a certificate's subject name, which is what its leaves name as issuer. */
function subjectOf(certificate: string): Buffer {
  const [body] = der.children(der.decode(der.fromPem(certificate, "CERTIFICATE")));
  const subject = body === undefined ? undefined : der.children(body)[5];
  if (subject === undefined) throw new Error("the issuer's certificate has no subject");
  return subject.raw;
}

/** Issues a certificate signed by `issuer` (SHA-256). Returns PEM. */
export function issue(issuer: KeyPairPem, args: CertificateRequestArgs): string {
  return build(args, subjectOf(issuer.certificate), createPrivateKey(issuer.privateKey));
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

/** Makes a self-signed certificate: an authority unless `args.authority` is false. Default key: a fresh P-256 one. */
export function selfSigned(args: Omit<CertificateRequestArgs, "publicKey">, key: Key = newKey("ec")): KeyPairPem {
  const full = { authority: true, ...args, publicKey: key.publicKey };
  return { certificate: build(full, encodeName(args.subject), key.privateKey), privateKey: key.pem };
}

/**
 * Reads a PKCS#10 certificate request and checks that it is signed with its own key.
 * Throws an Error that says what is wrong with it.
 */
export function readRequest(pem: string): { publicKey: KeyObject } {
  const request = der.decode(der.fromPem(pem, "(?:NEW )?CERTIFICATE REQUEST"));
  const [info, algorithm, signature] = der.children(request);
  if (info === undefined || algorithm === undefined || signature === undefined) {
    throw new Error("the certificate request is incomplete");
  }
  const key = der.children(info)[2];
  const identifier = der.children(algorithm)[0];
  const hash = identifier === undefined ? undefined : SIGNATURES[der.dotted(identifier.content)];
  if (key === undefined || hash === undefined) throw new Error("the certificate request uses an unknown algorithm");
  const publicKey = createPublicKey({ key: key.raw, format: "der", type: "spki" });
  if (!verify(hash, info.raw, publicKey, signature.content.subarray(1))) {
    throw new Error("the certificate request is not signed with its own key");
  }
  return { publicKey };
}

/** Whether a certificate states its basic constraints at all (Cloudflare wants CA:FALSE written out). */
export function statesBasicConstraints(raw: Buffer): boolean {
  return raw.includes(der.oid(OID.basicConstraints));
}
