// Certificates and certificate requests in DER, built as Go's crypto/x509 builds them.
import { X509Certificate, createHash, createPublicKey, randomBytes, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import {
  bits,
  explicit,
  fromPem,
  implicit,
  integer,
  moment,
  octets,
  oid,
  read,
  sequence,
  set,
  text,
  toPem,
} from "./der.ts";
import { tag, truth } from "./der.ts";
import type { Node } from "./der.ts";
import { curves, publicDer } from "./keys.ts";
import { usageExtensions } from "./usages.ts";

/** Alternative names of a certificate, each as its element of GeneralNames. */
export type AltNames = Buffer[];

const ids = {
  subjectKeyId: "2.5.29.14",
  altNames: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extensionRequest: "1.2.840.113549.1.9.14",
};

/** Algorithm identifier and digest per kind of key. */
function algorithm(key: KeyObject): { identifier: Buffer; digest: string | null } {
  if (key.asymmetricKeyType === "ed25519") return { identifier: sequence(oid("1.3.101.112")), digest: null };
  if (key.asymmetricKeyType === "rsa") {
    return { identifier: sequence(oid("1.2.840.113549.1.1.11"), Buffer.of(5, 0)), digest: "sha256" };
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve === curves.P384) return { identifier: sequence(oid("1.2.840.10045.4.3.3")), digest: "sha384" };
  if (curve === curves.P521) return { identifier: sequence(oid("1.2.840.10045.4.3.4")), digest: "sha512" };
  return { identifier: sequence(oid("1.2.840.10045.4.3.2")), digest: "sha256" };
}

function signed(body: Buffer, key: KeyObject): Buffer {
  const { identifier, digest } = algorithm(key);
  return sequence(body, identifier, bits(sign(digest, body, key)));
}

const extension = (id: string, critical: boolean, value: Buffer) =>
  sequence(oid(id), ...(critical ? [truth] : []), octets(value));

/** Identifier of a public key: SHA-1 of the key's bits. */
function keyId(spki: Buffer): Buffer {
  const [, key] = read(read(spki)[0]!.content);
  return createHash("sha1").update(key!.content.subarray(1)).digest();
}

const emptyName = sequence();
const altNamesExtension = (names: AltNames, subject: Buffer) =>
  names.length === 0 ? [] : [extension(ids.altNames, subject.equals(emptyName), sequence(...names))];

/** A certificate request in PEM. */
export function certificateRequest(subject: Buffer, names: AltNames, key: KeyObject): { pem: string; der: Buffer } {
  const extensions = altNamesExtension(names, subject);
  const attributes = extensions.length === 0 ? [] : [sequence(oid(ids.extensionRequest), set(sequence(...extensions)))];
  const der = signed(sequence(integer(0), subject, publicDer(key), explicit(0, ...attributes)), key);
  return { der, pem: toPem(der, "CERTIFICATE REQUEST") };
}

/** What a certificate says besides who signs it. */
export interface Contents {
  subject: Buffer;
  /** Public key in DER. */
  publicKey: Buffer;
  names: AltNames;
  allowedUses: string[];
  isCa: boolean;
  maxPathLength: number | undefined;
  from: Date;
  until: Date;
  /** Write the subject key identifier also into a certificate that is no CA's. */
  subjectKeyId: boolean;
}

/** Who signs. */
export interface Issuer {
  name: Buffer;
  key: KeyObject;
  /** The issuer's key identifier, to be named in the certificate. */
  keyId: Buffer | undefined;
}

/** Signs a certificate; the serial number has 128 random bits. */
export function certificate(contents: Contents, issuer: Issuer): { pem: string; serial: bigint } {
  const serial = BigInt(`0x${randomBytes(16).toString("hex")}`);
  const { isCa, maxPathLength, subject, publicKey } = contents;
  const constraints = [
    ...(isCa ? [truth] : []),
    ...(isCa && maxPathLength !== undefined ? [integer(maxPathLength)] : []),
  ];
  const extensions = [
    ...usageExtensions(contents.allowedUses, extension),
    extension(ids.basicConstraints, true, sequence(...constraints)),
    ...(isCa || contents.subjectKeyId ? [extension(ids.subjectKeyId, false, octets(keyId(publicKey)))] : []),
    ...(issuer.keyId ? [extension(ids.authorityKeyId, false, sequence(implicit(0, issuer.keyId)))] : []),
    ...altNamesExtension(contents.names, subject),
  ];
  const body = sequence(
    explicit(0, integer(2)),
    integer(serial),
    algorithm(issuer.key).identifier,
    issuer.name,
    sequence(moment(contents.from), moment(contents.until)),
    subject,
    publicKey,
    explicit(3, sequence(...extensions)),
  );
  return { serial, pem: toPem(signed(body, issuer.key), "CERTIFICATE") };
}

/** The issuer for a certificate that signs itself. */
export function selfIssuer(subject: Buffer, key: KeyObject, authorityKeyId: boolean): Issuer {
  return { name: subject, key, keyId: authorityKeyId ? keyId(publicDer(key)) : undefined };
}

function findExtension(list: Node[], id: string): Buffer | undefined {
  const wanted = oid(id);
  const found = list.map(({ content }) => read(content)).find(([first]) => first!.whole.equals(wanted));
  return found?.at(-1)?.content;
}

/** The issuer that a CA's certificate and key make. @throws Error when they do not belong together. */
export function caIssuer(certPem: string, key: KeyObject): Issuer {
  const der = fromPem(certPem, "CERTIFICATE", "caCertPem");
  if (!new X509Certificate(der).checkPrivateKey(key)) {
    throw new Error("caPrivateKeyPem is not the private key of the certificate in caCertPem");
  }
  const body = read(read(read(der)[0]!.content)[0]!.content);
  const fields = body[0]!.tag === 0xa0 ? body.slice(1) : body; // a version-1 certificate has no version field
  const extensions = fields.find((field) => field.tag === 0xa3);
  const own = extensions && findExtension(read(read(extensions.content)[0]!.content), ids.subjectKeyId);
  return { name: fields[4]!.whole, key, keyId: own && read(own)[0]!.content };
}

const digests: Readonly<Record<string, string | null>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.3.101.112": null,
};

/** Reads a certificate request. @throws Error when it is none or its signature is not good. */
export function readRequest(pem: string): Pick<Contents, "subject" | "publicKey" | "names"> {
  const bad = (why: string) => new Error(`certRequestPem is not a usable certificate request: ${why}`);
  const der = fromPem(pem, "CERTIFICATE REQUEST", "certRequestPem");
  const [info, identifier, signature] = read(read(der)[0]?.content ?? Buffer.of());
  if (!info || !identifier || !signature) throw bad("it has no signature");
  const [, subject, publicKey, attributes] = read(info.content);
  if (!subject || !publicKey) throw bad("it has no public key");
  const wanted = read(identifier.content)[0]!.whole;
  const digest = Object.entries(digests).find(([id]) => oid(id).equals(wanted))?.[1];
  if (digest === undefined) throw bad("its signature algorithm is not supported");
  const key = createPublicKey({ key: publicKey.whole, format: "der", type: "spki" });
  if (!verify(digest, info.whole, key, signature.content.subarray(1)))
    throw bad("its signature does not match its key");

  const requested = findExtension(read(attributes?.content ?? Buffer.of()), ids.extensionRequest);
  const names = requested && findExtension(read(read(requested)[0]!.content), ids.altNames);
  const kept = [0x82, 0x86, 0x87]; // DNS names, URIs and addresses, as the official plugin copies them
  return {
    subject: subject.whole,
    publicKey: publicKey.whole,
    names: names
      ? read(read(names)[0]!.content)
          .filter((name) => kept.includes(name.tag))
          .map((name) => name.whole)
      : [],
  };
}

/** The text form of an attribute value that Go's encoder chooses: printable characters where they suffice. */
export function nameText(value: string): Buffer {
  return text(/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value) ? tag.printable : tag.utf8, value);
}
