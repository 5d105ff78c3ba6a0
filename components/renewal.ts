const DAY = 24 * 3600 * 1000;

/** How long before its end a certificate is replaced, in days: a month, or half the life of one that lasts less than two. */
export function renewalLeadDays(validityDays: number): number {
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
