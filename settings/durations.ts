const UNIT_SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };

/** Seconds in a duration like `24h` or `1h30m` (the form that Cloudflare takes), or `undefined` if it is none. */
export function durationSeconds(text: string): number | undefined {
  if (!/^(\d+[hms])+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (UNIT_SECONDS[unit ?? ""] ?? 0),
    0,
  );
}

/**
 * The end of both of Cloudflare's Origin CA roots. Read from the published roots; a certificate that outlives its root
 * is worthless, and Cloudflare issues it all the same.
 */
export const ORIGIN_CA_END = new Date("2029-08-15T00:00:00Z");

/** Validity periods that Cloudflare's Origin CA issues, in days, without the 15 years that would outlive its roots. */
export const ORIGIN_CA_VALIDITIES = [7, 30, 90, 365, 730, 1095] as const;

const DAY_MS = 86_400_000;

/** Whether a certificate that is issued now for so many days ends before the Origin CA does. */
export const withinOriginCa = (days: number): boolean => Date.now() + days * DAY_MS <= ORIGIN_CA_END.getTime();

export type OriginCaValidity = (typeof ORIGIN_CA_VALIDITIES)[number];
