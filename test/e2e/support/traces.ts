import { createPrivateKey } from "node:crypto";
import ssh2 from "ssh2";

/** This many consecutive bytes of a private number cannot be a coincidence. */
const TELLING = 12;

/**
 * The texts that give a secret away, however it is quoted: it itself, in hexadecimal, and in base64 from each of the
 * three places at which it can begin there. Of a key, these are some lines of its PEM form that hold a part of a private
 * number (others are public), its text without line breaks, and the private exponent or scalar alone.
 */
export function tracesOf(secret: string): string[] {
  if (!secret.startsWith("-----BEGIN ")) return encodings(Buffer.from(secret));
  const lines = secret.trim().split("\n").slice(1, -1);
  const body = lines.join("");
  const bytes = Buffer.from(body, "base64");
  const [scalar, ...others] = privateNumbers(secret);
  const ranges = [scalar, ...others].flatMap((number) => {
    const at = bytes.indexOf(number);
    return at < 0 ? [] : [{ at, end: at + number.length }];
  });
  if (ranges.length === 0) throw new Error("a key whose private number is not to be found");
  let place = 0;
  const told = lines.filter((line) => {
    const [from, until] = [(place * 3) / 4, ((place + line.length) * 3) / 4];
    place += line.length;
    return ranges.some(({ at, end }) => Math.min(end, until) - Math.max(at, from) >= TELLING);
  });
  // A leak of one line is a leak of all; three keep the search short.
  const some = [...told.slice(0, 2), ...told.slice(-1)];
  return [...new Set([...some.flatMap((line) => encodings(Buffer.from(line))), body, ...encodings(scalar).slice(1)])];
}

/** A key's private exponent or scalar, and its other private numbers. */
function privateNumbers(pem: string): [Buffer, ...Buffer[]] {
  const key = pem.includes("OPENSSH") ? ssh2.utils.parseKey(pem) : undefined;
  if (key instanceof Error) throw key;
  const { d, p, q, dp, dq, qi } = createPrivateKey(key?.getPrivatePEM() ?? pem).export({ format: "jwk" });
  const decoded = [p, q, dp, dq, qi].filter((number) => number !== undefined).map(fromBase64);
  return [fromBase64(d ?? ""), ...decoded];
}

const fromBase64 = (text: string) => Buffer.from(text, "base64url");

const encodings = (bytes: Buffer): string[] => [
  bytes.toString("latin1"),
  bytes.toString("hex"),
  ...[0, 1, 2].flatMap((at) => base64(bytes, at)),
];

/** What does not depend on the neighbours in base64, if `at` bytes precede these in their group of three. */
function base64(bytes: Buffer, at: number): string[] {
  const whole = bytes.subarray((3 - at) % 3);
  const inner = whole.subarray(0, whole.length - (whole.length % 3));
  return [inner.toString("base64"), inner.toString("base64url")];
}
