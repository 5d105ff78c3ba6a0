import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toRfc3339 } from "../../components/origin-certificate.ts";
import { renewalLeadDays, renewalPeriod } from "../../components/renewal.ts";
import { ORIGIN_CA_VALIDITIES } from "../../settings/durations.ts";

const DAY = 24 * 3600 * 1000;

describe("renewalPeriod", () => {
  it("every certificate is renewed before its lead time is over, whenever it was created", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ORIGIN_CA_VALIDITIES),
        fc.date({ min: new Date("2026-01-01"), max: new Date("2029-01-01"), noInvalidDate: true }),
        (validity, issued) => {
          const lastDay = new Date(issued.getTime() + (validity - renewalLeadDays(validity)) * DAY);
          expect(renewalPeriod(lastDay, validity)).toBeGreaterThan(renewalPeriod(issued, validity));
        },
      ),
    );
  });

  it("the renewal period stays the same from one up to the next", () => {
    const now = new Date("2026-11-24T00:00:00Z");
    const period = renewalPeriod(now, 365);
    const minutes = [1, 60, 600].map((count) => new Date(now.getTime() + count * 60_000));
    expect(minutes.map((time) => renewalPeriod(time, 365))).toEqual([period, period, period]);
  });

  it("certificates of a week or a month are not renewed too early", () => {
    expect(renewalLeadDays(7)).toBe(3);
    expect(renewalLeadDays(30)).toBe(15);
    expect(renewalLeadDays(365)).toBe(30);
    expect(renewalLeadDays()).toBe(30);
  });
});

it("the times of the Origin CA are parsed", () => {
  expect(toRfc3339("2027-11-23 00:00:00 +0000 UTC")).toBe("2027-11-23T00:00:00Z");
  expect(toRfc3339("2027-11-23T00:00:00Z")).toBe("2027-11-23T00:00:00Z");
});
