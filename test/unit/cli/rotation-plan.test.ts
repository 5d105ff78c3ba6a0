import { describe, expect, it } from "vitest";
import { graceMilliseconds, nextRotation, type RotationArgs } from "../../../cli/rotate/plan.ts";

const now = new Date("2026-12-01T12:00:00.250Z");
const HOUR = 3600_000;
const plan = (changes: Partial<RotationArgs>) =>
  nextRotation({
    device: "frame",
    configured: undefined,
    deployedVersion: 1,
    grace: 24 * HOUR,
    now,
    force: false,
    ...changes,
  });
const rotated = (secretVersion: number, previousSecretExpiresAt: string) => ({
  secretVersion,
  previousSecretExpiresAt,
});

describe("the grace period", () => {
  it.each([
    ["1h", HOUR],
    ["7d", 168 * HOUR],
    ["30d", 720 * HOUR],
  ])("a grace period of %s is accepted", (text, milliseconds) => {
    expect(graceMilliseconds(text)).toBe(milliseconds);
  });

  it.each(["0h", "31d", "721h", "7", "d", "1.5h", "7 d", "1w", "-1d", ""])(
    "a grace period of «%s» is refused",
    (text) => {
      expect(() => graceMilliseconds(text)).toThrow(`--grace ${text} is not a time from 1h to 30d`);
    },
  );
});

describe("a rotation", () => {
  it("a rotation raises the version and keeps the present secret for the grace period", () => {
    expect(plan({})).toEqual(rotated(2, "2026-12-02T12:00:00Z"));
    expect(plan({ configured: rotated(4, "2026-11-30T00:00:00Z"), deployedVersion: 4 }).secretVersion).toBe(5);
  });

  it("a rotation counts from what is deployed, if the entry of an earlier one was removed", () => {
    expect(plan({ deployedVersion: 3 }).secretVersion).toBe(4);
  });

  it("a rotation that was never deployed is repeated, not counted twice", () => {
    expect(plan({ configured: rotated(2, "2026-12-05T00:00:00Z") })).toEqual(rotated(2, "2026-12-02T12:00:00Z"));
  });

  it("a rotation waits for the earlier grace period, unless it is forced", () => {
    const configured = rotated(2, "2026-12-05T00:00:00Z");
    expect(() => plan({ configured, deployedVersion: 2 })).toThrow(
      /^frame has been rotated already, .* works until 2026-12-05T00:00:00Z: .* Wait until then, or add --force$/,
    );
    expect(plan({ configured, deployedVersion: 2, force: true }).secretVersion).toBe(3);
  });
});
