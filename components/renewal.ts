const DAY = 24 * 3600 * 1000;

/**
 * How long before its end something is due for renewal, in days: a month, or half the life of what lasts less than two.
 *
 * @param validityDays its life; by default a long one
 */
export function renewalLeadDays(validityDays = Infinity): number {
  return Math.min(30, Math.floor(validityDays / 2));
}

/**
 * A number that changes whenever certificates of this validity are due for renewal, so that it can serve as a
 * `replacementTrigger`. Neither Cloudflare's provider nor its Origin CA renews by itself.
 *
 * Periods are counted from a fixed day: a certificate made in one period is replaced in the next, thus at the latest
 * `renewalLeadDays` before its end, and earlier if it was made late in its period.
 */
export function renewalPeriod(now: Date, validityDays: number): number {
  return Math.floor(now.getTime() / ((validityDays - renewalLeadDays(validityDays)) * DAY));
}
