import { createHash } from "node:crypto";

/** The reference by which a name's rule is found again: Cloudflare keeps it through every change of the rule. */
export const originRuleRef = (hostname: string): string =>
  `immich_access_${createHash("sha256").update(hostname).digest("hex").slice(0, 16)}`;

/** The expression of a name's rule. Plain HTTP goes to the same port, where nginx refuses it. */
export const originRuleExpression = (hostname: string): string => `http.host eq "${hostname}"`;
