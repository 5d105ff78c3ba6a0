// Tokens as Access gives them to a person.

import { createHash } from "node:crypto";
import { newNonce, sign } from "../sandbox/access/jwt.ts";
import type { Organization } from "../sandbox/api/state.ts";

/** Whose tokens, and for which application. */
export interface Tokens {
  organization: Organization;
  audience: string;
}

const HOUR = 3600;

/** Signs tokens of one login, each another, as it does for each request of somebody whose login lasts. */
export function newTokens({ organization, audience }: Tokens, count: number): Promise<string[]> {
  const nbf = Math.floor(Date.now() / 1000);
  const claims = {
    aud: [audience],
    email: "anna@example.com",
    nbf,
    sub: createHash("sha256").update("anna").digest("hex").slice(0, 36),
    country: "DE",
  };
  const one = () => sign(organization, "app", { ...claims, identity_nonce: newNonce() }, HOUR);
  return Promise.all(Array.from({ length: count }, one));
}

/** The token with another end of its signature: 403. */
export function spoilt(token: string): string {
  const at = token.length - 10;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}
