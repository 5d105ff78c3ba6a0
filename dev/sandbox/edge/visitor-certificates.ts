// The certificates that visitors see: minted from the sandbox's public CA when a name is first asked for.

import tls from "node:tls";
import { issue, newKey } from "../certificates/x509.ts";
import type { EdgeState } from "./feed.ts";
import { certificateNames } from "./sites.ts";

const DAY = 86_400_000;
const VALID_DAYS = 90;
const RENEW_AFTER_DAYS = 30;

/** Mints and keeps one certificate per set of names. */
export class VisitorCertificates {
  readonly #key = newKey("ec");
  readonly #made = new Map<string, { context: tls.SecureContext; at: number }>();

  /** The context for a server name, or undefined: then the handshake ends with an alert, as at Cloudflare. */
  for(edge: EdgeState | undefined, serverName: string): tls.SecureContext | undefined {
    if (edge === undefined) return undefined;
    const names = certificateNames(edge.state, serverName.toLowerCase());
    if (names === undefined) return undefined;
    const cacheKey = `${names.join(" ")} ${edge.cas.publicCa.certificate}`;
    const known = this.#made.get(cacheKey);
    if (known !== undefined && known.at > Date.now() - RENEW_AFTER_DAYS * DAY) return known.context;
    const certificate = issue(edge.cas.publicCa, {
      subject: [["CN", names[0] ?? ""]],
      publicKey: this.#key.publicKey,
      hostnames: names,
      notBefore: new Date(Date.now() - 3_600_000),
      notAfter: new Date(Date.now() + VALID_DAYS * DAY),
      usages: ["serverAuth"],
    });
    const context = tls.createSecureContext({ key: this.#key.pem, cert: certificate });
    this.#made.set(cacheKey, { context, at: Date.now() });
    return context;
  }
}
