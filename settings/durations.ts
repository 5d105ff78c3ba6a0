const UNIT_SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };

/** Seconds in a duration like `24h` or `1h30m` (Cloudflare's form), or `undefined` if the text is not a duration. */
export function durationSeconds(text: string): number | undefined {
  if (!/^(\d+[hms])+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (UNIT_SECONDS[unit ?? ""] ?? 0),
    0,
  );
}

/**
 * The end of both of Cloudflare's Origin CA roots, read from the published roots. Cloudflare also issues certificates
 * that outlive their root, but they are useless after its end.
 */
export const ORIGIN_CA_END = new Date("2029-08-15T00:00:00Z");

/**
 * Validity periods that Cloudflare's Origin CA offers, in days. 15 years are left out: they would outlive its roots.
 */
export const ORIGIN_CA_VALIDITIES = [7, 30, 90, 365, 730, 1095] as const;

const DAY_MS = 86_400_000;

/** Whether a certificate issued now for so many days expires before the Origin CA. */
export const withinOriginCa = (days: number): boolean => Date.now() + days * DAY_MS <= ORIGIN_CA_END.getTime();

export type OriginCaValidity = (typeof ORIGIN_CA_VALIDITIES)[number];
