// Keys and signatures as certificates and requests name them (RFC 5280, RFC 5758, RFC 8410).
import { createHash, createPublicKey, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import { AlgorithmIdentifier, SubjectPublicKeyInfo } from "@peculiar/asn1-x509";

const rsaWithSha256 = "1.2.840.113549.1.1.11";
const ecdsaWithSha256 = "1.2.840.10045.4.3.2";
const ecdsaWithSha384 = "1.2.840.10045.4.3.3";
const ecdsaWithSha512 = "1.2.840.10045.4.3.4";
const ed25519 = "1.3.101.112";

/** The hash of each signature algorithm that is understood; Ed25519 has its own. */
const digests: Readonly<Record<string, string | null>> = {
  [rsaWithSha256]: "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  [ecdsaWithSha256]: "sha256",
  [ecdsaWithSha384]: "sha384",
  [ecdsaWithSha512]: "sha512",
  [ed25519]: null,
};

/** What Go's crypto/x509 signs with, by the kind of key: the hash is as strong as the curve. */
export function signatureAlgorithm(key: KeyObject): AlgorithmIdentifier {
  if (key.asymmetricKeyType === "rsa") return new AlgorithmIdentifier({ algorithm: rsaWithSha256, parameters: null });
  if (key.asymmetricKeyType === "ed25519") return new AlgorithmIdentifier({ algorithm: ed25519 });
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const strong = { secp384r1: ecdsaWithSha384, secp521r1: ecdsaWithSha512 }[curve ?? ""];
  return new AlgorithmIdentifier({ algorithm: strong ?? ecdsaWithSha256 });
}

/** Signs `body` as `signatureAlgorithm` says. */
export function signature(body: ArrayBuffer, key: KeyObject): ArrayBuffer {
  const made = sign(digests[signatureAlgorithm(key).algorithm], new Uint8Array(body), key);
  return Uint8Array.from(made).buffer;
}

/** Whether `body` is signed with the key; undefined for an algorithm that is not understood. */
export function isSigned(
  body: ArrayBuffer,
  algorithm: AlgorithmIdentifier,
  made: ArrayBuffer,
  key: KeyObject,
): boolean | undefined {
  const digest = digests[algorithm.algorithm];
  return digest === undefined ? undefined : verify(digest, new Uint8Array(body), key, new Uint8Array(made));
}

/** The public half of a key as certificates hold it. */
export function publicKeyInfo(key: KeyObject): SubjectPublicKeyInfo {
  const own = key.type === "private" ? createPublicKey(key) : key;
  return AsnConvert.parse(own.export({ format: "der", type: "spki" }), SubjectPublicKeyInfo);
}

/** Identifier of a public key: SHA-1 of the key's bits (RFC 5280, 4.2.1.2, method 1). */
export function keyIdentifier(info: SubjectPublicKeyInfo): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash("sha1").update(new Uint8Array(info.subjectPublicKey)).digest());
}
