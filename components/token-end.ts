import { durationSeconds } from "../settings/durations.ts";
import { renewalLeadDays } from "./renewal.ts";

const DAY = 24 * 3600 * 1000;

/** A service token without an end: Cloudflare's duration for it. */
export const FOREVER = "forever";

/** What stands in the outputs for the end of a token that has none. */
export const NEVER = "never";

/**
 * Whether a service token is due for a refresh: in its last month, or in the second half of its life if that is less
 * than two months. One without a readable end is due, because nothing is known about it.
 *
 * @param end RFC 3339
 * @param duration the setting `tokenDuration`
 */
export function isTokenDue(end: string, now: Date, duration: string): boolean {
  const left = daysLeft(end, now);
  return Number.isNaN(left) || left < tokenLeadDays(end, now, duration);
}

const daysLeft = (end: string, now: Date): number => (Date.parse(end) - now.getTime()) / DAY;

/**
 * How many days before its end a token is due. One that has more left than its duration has been refreshed, and a
 * refresh always gives a year.
 */
export function tokenLeadDays(end: string, now: Date, duration: string): number {
  const validity = (durationSeconds(duration) ?? Infinity) / (DAY / 1000);
  // A token lasts a day at least, and half a day is not rounded down to none.
  return daysLeft(end, now) > validity ? renewalLeadDays() : Math.min(renewalLeadDays(), validity / 2);
}
