import { CommandError } from "../lib/command.ts";
import type { Rotation } from "../lib/deployed-stack.ts";

const HOUR = 3600_000;
const UNITS: Readonly<Record<string, number>> = { h: HOUR, d: 24 * HOUR };

/** What Cloudflare's dashboard offers: at least an hour, at most 30 days. */
const SHORTEST = HOUR;
const LONGEST = 30 * 24 * HOUR;

/**
 * Milliseconds in a grace period like `7d` or `12h`.
 * @throws CommandError unless it is one from an hour to 30 days.
 */
export function graceMilliseconds(text: string): number {
  const [, amount, unit = ""] = /^(\d+)([hd])$/.exec(text) ?? [];
  const grace = Number(amount) * (UNITS[unit] ?? NaN);
  if (grace >= SHORTEST && grace <= LONGEST) return grace;
  throw new CommandError(`--grace ${text} is no time from 1h to 30d: give hours or days, like 12h or 7d`);
}

export interface RotationArgs {
  device: string;
  /** The device's entry in the setting `deviceRotations`. */
  configured: Rotation | undefined;
  /** Version of the secret that is deployed. */
  deployedVersion: number;
  /** For how long the present secret shall still work, in milliseconds. */
  grace: number;
  now: Date;
  /** Rotate even if that ends a secret which would still work. */
  force: boolean;
}

/**
 * The entry of `deviceRotations` that gives the device a new secret. Where an earlier rotation was configured and never
 * deployed, its version is kept and only the time renewed, so that a second run makes up for a first one that failed.
 *
 * @throws CommandError while the secret before the present one still works: Cloudflare keeps only one, so a device that
 *   has not changed over yet would be cut off.
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

/** A time in RFC 3339 with whole seconds, as Cloudflare writes it. */
const rfc3339 = (time: number) => new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
