// Identifiers and secrets in the shapes that Cloudflare gives them.

import { createHash, randomBytes, randomInt, randomUUID } from "node:crypto";

const ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const alphanumeric = (length: number): string =>
  Array.from({ length }, () => ALPHANUMERIC.charAt(randomInt(ALPHANUMERIC.length))).join("");

/** 32 hexadecimal digits, the id of most objects. */
export const newId = (): string => randomBytes(16).toString("hex");

/** A UUID, the id of objects of Access. */
export const newUuid = (): string => randomUUID();

/** 64 hexadecimal digits, an application's audience tag. */
export const newAudience = (): string => randomBytes(32).toString("hex");

/** A decimal number of 48 digits, the id of an Origin CA certificate. */
export const newCertificateId = (): string =>
  Array.from({ length: 48 }, (_, index) => String(randomInt(index === 0 ? 1 : 0, 10))).join("");

/** A service token's secret in the format of August 2026: `cfast_`, 40 characters, a checksum of 8. */
export function newServiceTokenSecret(): string {
  const body = alphanumeric(40);
  return `cfast_${body}${createHash("sha256").update(body).digest("hex").slice(0, 8)}`;
}

/** An API token: 40 characters. */
export const newApiToken = (): string => alphanumeric(40);
