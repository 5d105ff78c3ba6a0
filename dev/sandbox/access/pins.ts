// One-time PINs: six digits, ten minutes, one use, five attempts.

import { createHash, randomInt, timingSafeEqual } from "node:crypto";
import { Expiring } from "./expiring.ts";

/** Who wants to log in where, from which browser. */
export interface PinRequest {
  email: string;
  /** Id of the identity provider. */
  provider: string;
  /** Audience tag of the application. */
  aud: string;
  /** The browser's session at the team domain: a PIN works only in the browser that asked for it. */
  session: string;
}

interface Pending extends PinRequest {
  /** Undefined for an address that no policy admits: the page says that a code was sent, but no code is right. */
  pin: string | undefined;
  attempts: number;
}

export const PIN_LIFETIME_MS = 600_000;
const ATTEMPTS = 5;

const equal = (a: string, b: string): boolean => {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
};

export class Pins {
  readonly #pending = new Expiring<Pending>(PIN_LIFETIME_MS);

  /** Starts a login by PIN; an earlier one of the same address at the same application is void. */
  start(request: PinRequest, admitted: boolean): { id: string; pin?: string } {
    this.#pending.drop(({ email, aud }) => email === request.email && aud === request.aud);
    const pin = admitted ? String(randomInt(1_000_000)).padStart(6, "0") : undefined;
    const id = this.#pending.add({ ...request, pin, attempts: ATTEMPTS });
    return pin === undefined ? { id } : { id, pin };
  }

  /** What the PIN proves; "wrong" while it may be tried again, "over" when a new one has to be asked for. */
  check(id: string, pin: string, { aud, session }: { aud: string; session: string }): PinRequest | "wrong" | "over" {
    const pending = this.#pending.get(id);
    if (pending === undefined || pending.aud !== aud || pending.session !== session) return "over";
    pending.attempts -= 1;
    if (pending.pin !== undefined && equal(pin, pending.pin)) {
      this.#pending.take(id);
      return pending;
    }
    if (pending.attempts > 0) return "wrong";
    this.#pending.take(id);
    return "over";
  }
}
