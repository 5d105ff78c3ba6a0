// Whether a zone can serve the stack's names.
import { describe, expect, it } from "vitest";
import type { Zone } from "../../../cli/doctor/cloudflare/facts.ts";
import { labelsInZone, reachFinding, zoneFinding } from "../../../cli/doctor/cloudflare/readiness.ts";
import type { Finding } from "../../../cli/doctor/finding.ts";

const brief = ({ status, says }: Finding) => `${status}: ${says}`;
const ACTIVE: Zone = {
  id: "1",
  name: "example.com",
  status: "active",
  paused: false,
  type: "full",
  name_servers: ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
};

describe("the zone", () => {
  it.each<[string, Partial<Zone>, string, string]>([
    [
      "that waits for its name servers",
      { status: "pending" },
      "its status is pending",
      "ada.ns.cloudflare.com and bob",
    ],
    ["whose name servers were moved away", { status: "moved" }, "its status is moved", "at the domain's registrar"],
    ["without name servers yet", { status: "initializing", name_servers: null }, "initializing", "that the dashboard"],
    ["that is paused", { paused: true }, "is paused", "Enable Cloudflare on Site"],
    ["with a CNAME set-up", { type: "partial" }, "has a CNAME set-up (partial)", "convert it to a full set-up"],
    ["that copies another server's records", { type: "secondary" }, "is of the type secondary", "full set-up"],
  ])("%s cannot serve a site", (_, change, says, fix) => {
    const found = zoneFinding({ ...ACTIVE, ...change });
    expect(found.status).toBe("wrong");
    expect(found.says).toContain(says);
    expect(found.fix).toContain(fix);
  });

  it("that is active, full and not paused is in order; without a status that is not known", () => {
    expect(brief(zoneFinding(ACTIVE))).toBe("ok: example.com is active");
    expect(brief(zoneFinding({ id: "1", name: "example.com" }))).toBe("unknown: Cloudflare does not tell its status");
  });
});

describe("a name", () => {
  const told = (hostname: string, name = ACTIVE.name) => brief(reachFinding({ ...ACTIVE, name }, hostname));

  it("is covered by Universal SSL if it is the zone's or one level below", () => {
    expect(told("example.com")).toMatch(/^ok: /);
    expect(told("photos.example.com")).toMatch(/^ok: /);
    expect(told("photos.home.example.com")).toMatch(
      /^warning: .*covers example\.com and names one level under it, not photos\.home\.example\.com$/,
    );
  });

  it("must be in the zone", () => {
    for (const name of ["photos.example.net", "photosexample.com", "com"]) {
      expect(told(name)).toBe(`wrong: ${name} is not in example.com`);
    }
  });

  it("is compared with an international zone in ASCII", () => {
    expect(told("foto.xn--mnchen-3ya.example", "münchen.example")).toMatch(/^ok: /);
    expect(told("foto.xn--mnchen-3ya.example", "xn--mnchen-3ya.example")).toMatch(/^ok: /);
    expect(labelsInZone("a.b.xn--mnchen-3ya.example", "münchen.example")).toBe(2);
  });
});
