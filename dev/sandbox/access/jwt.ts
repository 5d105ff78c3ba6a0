// The tokens that Access signs: RS256 with the organisation's current key; the key before it still verifies.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import { exportJWK, type JWK, type JWTPayload, jwtVerify, SignJWT } from "jose";
import type { Organization } from "../api/state.ts";

/** Someone who has logged in. */
export interface Identity {
  email: string;
  /** Id of the identity provider. */
  provider: string;
  /** Id of the login. All its tokens carry it, so logging out ends them together. */
  nonce: string;
}

/**
 * What a token is for. All are signed with the same keys, so each names its purpose and is valid for no other:
 * `app` for an application's host, `org` for the team domain, `meta` for a login that is under way.
 */
export type Purpose = "app" | "org" | "meta";

const ALGORITHM = "RS256";

// Parsing a PEM key takes longer than signing with it.
const keys = new Map<string, KeyObject>();
function keyFrom(pem: string, parse: (pem: string) => KeyObject): KeyObject {
  const known = keys.get(pem) ?? parse(pem);
  keys.set(pem, known);
  return known;
}

/** The `iss` claim: the team domain, without a port. */
const issuerOf = (organization: Organization): string => `https://${organization.auth_domain}`;

export const newNonce = (): string => randomBytes(12).toString("base64url");

/** The `sub` claim of a user: always the same for an address, in the shape of a UUID. */
export function subjectOf(organization: Organization, email: string): string {
  const digits = createHash("sha256").update(`${organization.account_id} ${email}`).digest("hex");
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20, 32),
  ].join("-");
}

/** Signs claims that are valid for `seconds`. */
export async function sign(
  organization: Organization,
  purpose: Purpose,
  claims: JWTPayload,
  seconds: number,
): Promise<string> {
  const [key] = organization.signing_keys;
  if (key === undefined) throw new Error(`${organization.auth_domain} has no signing key`);
  const iat = Math.floor(Date.now() / 1000);
  return new SignJWT({ type: purpose, iat, exp: iat + seconds, iss: issuerOf(organization), ...claims })
    .setProtectedHeader({ alg: ALGORITHM, kid: key.kid, typ: "JWT" })
    .sign(keyFrom(key.private_key, createPrivateKey));
}

/** The claims of a token that is signed by the organisation, in time and for this purpose and audience; else undefined. */
export async function verify(
  organization: Organization,
  purpose: Purpose,
  token: string | undefined,
  audience: string,
): Promise<JWTPayload | undefined> {
  if (token === undefined) return undefined;
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const key = organization.signing_keys.find((candidate) => candidate.kid === kid);
        if (key === undefined) throw new Error("unknown key");
        return keyFrom(key.certificate, createPublicKey);
      },
      { algorithms: [ALGORITHM], issuer: issuerOf(organization), audience, requiredClaims: ["exp"] },
    );
    return payload["type"] === purpose ? payload : undefined;
  } catch {
    return undefined;
  }
}

/** The document at `/cdn-cgi/access/certs`. */
export async function certs(organization: Organization): Promise<object> {
  const pairs = await Promise.all(
    organization.signing_keys.map(async ({ kid, certificate }) => {
      const { kty, e, n } = await exportJWK(new X509Certificate(certificate).publicKey);
      const key = { kid, kty, alg: ALGORITHM, use: "sig", e, n } as JWK;
      return { key, cert: { kid, cert: certificate } };
    }),
  );
  return {
    keys: pairs.map(({ key }) => key),
    public_cert: pairs[0]?.cert,
    public_certs: pairs.map(({ cert }) => cert),
  };
}
