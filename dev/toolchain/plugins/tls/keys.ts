// Private keys: generation, and their encodings in PEM and in OpenSSH's formats.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomInt } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** The algorithms of `tls.PrivateKey`. */
export type Algorithm = "RSA" | "ECDSA" | "ED25519";

/** The curves of `tls.PrivateKey` by OpenSSL's names. */
export const curves = { P224: "secp224r1", P256: "prime256v1", P384: "secp384r1", P521: "secp521r1" } as const;

/** A new private key. */
export function generateKey(algorithm: Algorithm, rsaBits: number, curve: keyof typeof curves): KeyObject {
  if (algorithm === "RSA") return generateKeyPairSync("rsa", { modulusLength: rsaBits }).privateKey;
  if (algorithm === "ECDSA") return generateKeyPairSync("ec", { namedCurve: curves[curve] }).privateKey;
  return generateKeyPairSync("ed25519").privateKey;
}

/**
 * Reads a private key in PEM.
 * @throws Error naming `property`, never with the key, when it is none of the supported kinds.
 */
export function readKey(pem: string, property: string): { key: KeyObject; algorithm: Algorithm } {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new Error(`${property} is not a private key in PEM without a passphrase`);
  }
  const algorithm = ({ rsa: "RSA", ec: "ECDSA", ed25519: "ED25519" } as const)[
    key.asymmetricKeyType as "rsa" | "ec" | "ed25519"
  ];
  if (algorithm === undefined) {
    throw new Error(`${property} is a key of type ${key.asymmetricKeyType}: RSA, ECDSA or ED25519 is needed`);
  }
  return { key, algorithm };
}

/** The key in the PEM form that is usual for its algorithm (PKCS#1, SEC 1, PKCS#8). */
export function privatePem(key: KeyObject, algorithm: Algorithm): string {
  const type = { RSA: "pkcs1", ECDSA: "sec1", ED25519: "pkcs8" } as const;
  return key.export({ format: "pem", type: type[algorithm] }) as string;
}

/** Identifier that the official plugin derives from some bytes: SHA-1 in hexadecimal. */
export function stateId(bytes: Buffer): string {
  return createHash("sha1").update(bytes).digest("hex");
}

function length(size: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(size);
  return bytes;
}

const text = (value: Buffer | string) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([length(bytes.length), bytes]);
};

/** A positive number in SSH's encoding: no leading zeros, but one where the top bit is set. */
function number(base64url: string): Buffer {
  let bytes = Buffer.from(base64url, "base64url");
  while (bytes.length > 1 && bytes[0] === 0) bytes = bytes.subarray(1);
  return text(bytes[0]! & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

/** A key's parts as SSH sends them; undefined for P224, which SSH does not know. */
function sshParts(key: KeyObject): { type: string; public: Buffer; private: Buffer } | undefined {
  const jwk = key.export({ format: "jwk" }) as Record<
    "kty" | "crv" | "x" | "y" | "d" | "n" | "e" | "p" | "q" | "qi",
    string
  >;
  if (jwk.kty === "RSA") {
    const type = "ssh-rsa";
    return {
      type,
      public: Buffer.concat([text(type), number(jwk.e), number(jwk.n)]),
      private: Buffer.concat([jwk.n, jwk.e, jwk.d, jwk.qi, jwk.p, jwk.q].map(number)),
    };
  }
  if (jwk.kty === "OKP") {
    const type = "ssh-ed25519";
    const point = Buffer.from(jwk.x, "base64url");
    return {
      type,
      public: Buffer.concat([text(type), text(point)]),
      private: Buffer.concat([text(point), text(Buffer.concat([Buffer.from(jwk.d, "base64url"), point]))]),
    };
  }
  const curve = `nistp${jwk.crv.slice(2)}`;
  const type = `ecdsa-sha2-${curve}`;
  const point = Buffer.concat([Buffer.of(4), Buffer.from(jwk.x, "base64url"), Buffer.from(jwk.y, "base64url")]);
  return {
    type,
    public: Buffer.concat([text(type), text(curve), text(point)]),
    private: Buffer.concat([text(curve), text(point), number(jwk.d)]),
  };
}

const isP224 = (key: KeyObject) => key.asymmetricKeyDetails?.namedCurve === curves.P224;

/** The public key for authorized_keys and its fingerprints, as ssh-keygen shows them; empty for P224. */
export function sshPublic(key: KeyObject): { line: string; md5: string; sha256: string } {
  const parts = isP224(key) ? undefined : sshParts(key);
  if (parts === undefined) return { line: "", md5: "", sha256: "" };
  const hash = (algorithm: string) => createHash(algorithm).update(parts.public);
  return {
    line: `${parts.type} ${parts.public.toString("base64")}\n`,
    md5: hash("md5")
      .digest("hex")
      .replace(/..(?=.)/g, "$&:"),
    sha256: `SHA256:${hash("sha256").digest("base64").replace(/=+$/, "")}`,
  };
}

/** The private key in OpenSSH's own format, without passphrase; empty for P224. */
export function sshPrivate(key: KeyObject): string {
  const parts = isP224(key) ? undefined : sshParts(key);
  if (parts === undefined) return "";
  const probe = length(randomInt(2 ** 32));
  let inner = Buffer.concat([probe, probe, text(parts.type), parts.private, text("")]);
  inner = Buffer.concat([inner, Buffer.from([1, 2, 3, 4, 5, 6, 7]).subarray(0, (8 - (inner.length % 8)) % 8)]);
  const whole = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    text("none"),
    text("none"),
    text(""),
    length(1),
    text(parts.public),
    text(inner),
  ]);
  const lines = whole.toString("base64").replace(/.{70}(?=.)/g, "$&\n");
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

/** The public key in DER (SubjectPublicKeyInfo). */
export function publicDer(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: "der", type: "spki" });
}

/** The public key in PEM. */
export function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ format: "pem", type: "spki" }) as string;
}
