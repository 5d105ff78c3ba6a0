const DAY = 24 * 3600 * 1000;

/**
 * How many days before its end something is due for renewal: a month, or half its life if that is less than two months.
 *
 * @param validityDays its life; by default more than two months
 */
export function renewalLeadDays(validityDays = Infinity): number {
  return Math.min(30, Math.floor(validityDays / 2));
}

/**
 * A number for `replacementTrigger` that changes whenever certificates of this validity are due for renewal. Neither
 * Cloudflare's provider nor its Origin CA renews by itself.
 *
 * Periods are counted from a fixed day. A certificate made in one period is replaced in the next, at the latest
 * `renewalLeadDays` before its end, and earlier if it was made late in its period.
 */
export function renewalPeriod(now: Date, validityDays: number): number {
  return Math.floor(now.getTime() / ((validityDays - renewalLeadDays(validityDays)) * DAY));
}
