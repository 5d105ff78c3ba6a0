import { CommandError } from "../lib/command.ts";
import type { Rotation } from "../lib/deployed-stack.ts";

const HOUR = 3600_000;
const UNITS: Readonly<Record<string, number>> = { h: HOUR, d: 24 * HOUR };

/** The limits in Cloudflare's dashboard: at least an hour, at most 30 days. */
const SHORTEST = HOUR;
const LONGEST = 30 * 24 * HOUR;

/**
 * Milliseconds in a grace period like `7d` or `12h`.
 * @throws CommandError unless it is from an hour to 30 days.
 */
export function graceMilliseconds(text: string): number {
  const [, amount, unit = ""] = /^(\d+)([hd])$/.exec(text) ?? [];
  const grace = Number(amount) * (UNITS[unit] ?? NaN);
  if (grace >= SHORTEST && grace <= LONGEST) return grace;
  throw new CommandError(`--grace ${text} is not a time from 1h to 30d: give hours or days, like 12h or 7d`);
}

export interface RotationArgs {
  device: string;
  /** The device's entry in the setting `deviceRotations`. */
  configured: Rotation | undefined;
  /** Version of the secret that is deployed. */
  deployedVersion: number;
  /** How long the present secret still works, in milliseconds. */
  grace: number;
  now: Date;
  /** Rotate even if that ends a secret that still works. */
  force: boolean;
}

/**
 * The entry of `deviceRotations` that gives the device a new secret. If an earlier rotation was configured but never
 * deployed, it keeps that version and only renews the time, so that a second run completes a first one that failed.
 *
 * @throws CommandError while the secret before the present one still works. Cloudflare keeps only one former secret, so a
 *   device that still uses it would be blocked.
 */
export function nextRotation({ device, configured, deployedVersion, grace, now, force }: RotationArgs): Rotation {
  const pending = configured !== undefined && configured.secretVersion > deployedVersion;
  const until = configured === undefined ? 0 : Date.parse(configured.previousSecretExpiresAt);
  if (!pending && !force && until > now.getTime()) {
    throw new CommandError(
      `${device} has been rotated already, and its secret before that works until ${rfc3339(until)}: another rotation ` +
        "would end it now. Wait until then, or add --force",
    );
  }
  return {
    secretVersion: pending ? configured.secretVersion : deployedVersion + 1,
    previousSecretExpiresAt: rfc3339(now.getTime() + grace),
  };
}

/** A time in RFC 3339 with whole seconds, in Cloudflare's form. */
const rfc3339 = (time: number) => new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
