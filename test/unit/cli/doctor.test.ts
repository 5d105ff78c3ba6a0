import { describe, expect, it } from "vitest";
import { clockFinding } from "../../../cli/doctor/clock.ts";
import {
  applicationFindings,
  isSettling,
  tokenFindings,
  strictTokensFinding,
  type ExpectedAccess,
} from "../../../cli/doctor/cloudflare/access.ts";
import type { Application, Policy, Rule } from "../../../cli/doctor/cloudflare/facts.ts";
import { dnsFinding, resolutionFinding, zoneFindings } from "../../../cli/doctor/cloudflare/zone.ts";
import {
  withSubject,
  type Check,
  expiryFinding,
  exitStatus,
  type Finding,
  failed,
  type Status,
  passed,
} from "../../../cli/doctor/finding.ts";
import { rangesFinding } from "../../../cli/doctor/host.ts";
import { renewalLeadDays } from "../../../components/renewal.ts";
import { destination, parseDetour } from "../../../components/site-check/network.ts";
import { json, table } from "../../../cli/doctor/report.ts";

const CHECK: Check = { id: "check", place: "host", title: "A check", why: "It matters.", fix: "mend" };
const HOST = "photos.example.com";
const NOW = new Date("2026-11-24T12:00:00Z");

const brief = ({ status, says }: Finding) => `${status}: ${says}`;

describe("expiry", () => {
  it.each([
    ["2027-01-01T00:00:00Z", "ok: until 2027-01-01"],
    ["2026-12-23T12:00:00Z", "warning: ends on 2026-12-23, in 29 days"],
    ["2026-11-24T12:00:00Z", "wrong: ended on 2026-11-24"],
    ["soon", "unknown: has no readable end (soon)"],
  ])("the doctor judges an expiry on %s", (end, expected) => {
    expect(brief(expiryFinding(CHECK, end, NOW))).toBe(expected);
  });

  it("the doctor warns when up would renew a certificate of the same lifetime", () => {
    expect(expiryFinding(CHECK, "2026-11-29T12:00:00Z", NOW, renewalLeadDays(7)).status).toBe("ok");
    expect(expiryFinding(CHECK, "2026-11-27T11:00:00Z", NOW, renewalLeadDays(7)).status).toBe("warning");
  });

  it("the exit status tells of what is due only where that is asked for", () => {
    const due = [expiryFinding(CHECK, "2026-12-20T00:00:00Z", NOW)];
    expect([exitStatus(due), exitStatus(due, true)]).toEqual([0, 1]);
    expect(exitStatus([failed(CHECK, "could be better", "", "warning")], true)).toBe(0);
    expect(JSON.parse(json({ sites: [HOST], findings: due, seconds: 1, failOnDue: true }))).toMatchObject({
      exitStatus: 1,
      findings: [{ due: true }],
    });
  });
});

describe("the DNS records", () => {
  const record = (content: string, proxied = true, type = "A") => ({ name: HOST, type, content, proxied });
  const A = "203.0.113.10";
  const AAAA = "2001:db8::10";

  it.each<[string, ReturnType<typeof record>[], string]>([
    [
      "all there",
      [record(A), record("2001:DB8:0::10", true, "AAAA")],
      "ok: proxied: A 203.0.113.10, AAAA 2001:DB8:0::10",
    ],
    ["one not proxied", [record(A, false), record(AAAA, true, "AAAA")], "wrong: not proxied: A 203.0.113.10"],
    ["one missing", [record(A)], "wrong: no record for 2001:db8::10"],
    [
      "one too many",
      [record(A), record(AAAA, true, "AAAA"), record("203.0.113.9")],
      "wrong: not of this stack: A 203.0.113.9",
    ],
    [
      "another kind of record beside",
      [record(A), record(AAAA, true, "AAAA"), record("v=spf1 -all", false, "TXT")],
      "ok: proxied: A 203.0.113.10, AAAA 2001:db8::10",
    ],
    [
      "a tunnel in their place",
      [record("0b1c.cfargotunnel.com", true, "CNAME")],
      "wrong: a Cloudflare Tunnel gets the requests: CNAME 0b1c.cfargotunnel.com",
    ],
  ])("the doctor judges the DNS records: %s", (_, records, expected) => {
    expect(brief(dnsFinding(records, { addresses: [A, AAAA] }))).toBe(expected);
  });

  it("the doctor knows the CNAME of a moving address, and what a DDNS client has written in place of addresses", () => {
    const name = "home.ddns.example.net";
    const told = (records: ReturnType<typeof record>[]) => brief(dnsFinding(records, { name }));
    expect(told([record("Home.DDNS.example.net.", true, "CNAME")])).toBe("ok: proxied: CNAME Home.DDNS.example.net.");
    expect(told([record(name, false, "CNAME")])).toBe(`wrong: not proxied: CNAME ${name}`);
    expect(told([record(A)])).toBe(`wrong: no record for ${name}, but A ${A}`);
    expect(dnsFinding([record("203.0.113.99")], { addresses: [A] })).toMatchObject({
      says: `no record for ${A}, but A 203.0.113.99`,
      fix: expect.stringContaining("set originName") as string,
    });
  });
});

it("the doctor recognises Cloudflare's addresses behind a name", () => {
  const ranges = { ipv4_cidrs: ["104.16.0.0/13"], ipv6_cidrs: ["2606:4700::/32"] };
  expect(resolutionFinding(["104.16.1.1", "2606:4700::1"], ranges).status).toBe("ok");
  expect(brief(resolutionFinding(["104.16.1.1", "203.0.113.10"], ranges))).toMatch(/^wrong: leads to 203\.0\.113\.10,/);
  expect(resolutionFinding([], ranges).status).toBe("wrong");
  expect(resolutionFinding(undefined, ranges).status).toBe("unknown");
});

it("the doctor compares the zone's settings with the stack's", () => {
  const good = {
    ssl: "strict",
    ssl_automatic_mode: "custom",
    min_tls_version: "1.2",
    always_use_https: "on",
    websockets: "on",
    max_upload: 100,
  };
  const status = (change: Readonly<Record<string, unknown>>) =>
    zoneFindings({ ...good, ...change }, { minTlsVersion: "1.2", alwaysUseHttps: true }).map((found) => found.status);
  expect(status({})).toEqual(["ok", "ok", "ok", "ok"]);
  expect(status({ ssl: "full" })).toEqual(["wrong", "ok", "ok", "ok"]);
  expect(status({ ssl_automatic_mode: "auto" })).toEqual(["ok", "wrong", "ok", "ok"]);
  const { ssl_automatic_mode: _absent, ...older } = good;
  expect(zoneFindings(older, { minTlsVersion: "1.2", alwaysUseHttps: true })[1]?.status).toBe("ok");
  expect(status({ min_tls_version: "1.0" })).toEqual(["ok", "wrong", "ok", "ok"]);
  expect(status({ always_use_https: "off" })).toEqual(["ok", "wrong", "ok", "ok"]);
  expect(status({ websockets: "off" })).toEqual(["ok", "ok", "wrong", "ok"]);
  expect(status({ max_upload: 50 })).toEqual(["ok", "ok", "ok", "wrong"]);
  expect(status({ max_upload: undefined })).toEqual(["ok", "ok", "ok", "unknown"]);
});

describe("Access", () => {
  const wanted: ExpectedAccess = {
    hostname: HOST,
    audience: "aud",
    emails: ["anna@example.com"],
    emailDomains: ["example.org"],
    anyServiceToken: false,
    devices: { phone: "1.access" },
    tokenDuration: "8760h",
    tokenRefresh: true,
    loginProvider: "create",
  };
  const tokens = [{ id: "token-1", name: "phone", client_id: "1.access", expires_at: "2027-11-24T00:00:00Z" }];
  const providers = [{ id: "pin", name: "One-time PIN", type: "onetimepin" }];
  const people: Policy = {
    name: "people",
    decision: "allow",
    precedence: 2,
    include: [{ email: { email: "Anna@example.com" } }, { email_domain: { domain: "example.org" } }],
  };
  const devices: Policy = {
    name: "devices",
    decision: "non_identity",
    precedence: 1,
    include: [{ service_token: { token_id: "token-1" } }],
  };
  const application: Application = {
    id: "app",
    aud: "aud",
    name: "Immich",
    domain: HOST,
    destinations: [{ type: "public", uri: HOST }],
    policies: [devices, people],
    allowed_idps: ["pin"],
  };
  const other = (uri: string, policy: Partial<Policy>): Application => ({
    ...application,
    id: "other",
    name: "Other",
    domain: uri,
    destinations: [{ type: "public", uri }],
    policies: [{ ...people, name: "all", ...policy }],
  });
  const found = (all: readonly Application[], change: Partial<ExpectedAccess> = {}) =>
    applicationFindings(all, providers, tokens, { ...wanted, ...change })
      .filter(({ status }) => status !== "ok")
      .map(({ id, says }) => `${id}: ${says}`);
  const including = (policy: Policy, ...rules: Rule[]): Policy => ({
    ...policy,
    include: [...policy.include, ...rules],
  });

  it("the doctor finds Access in order as it is deployed", () => {
    expect(found([application])).toEqual([]);
  });

  it.each<[string, Application[], string]>([
    ["no application", [], "access-application: none for photos.example.com"],
    ["an application for a path only", [other(`${HOST}/api`, {})], "access-application: none for photos.example.com"],
    [
      "somebody else's application",
      [{ ...application, aud: "another" }],
      "access-application: the one for photos.example.com is not the stack's",
    ],
    [
      "no policy for people",
      [{ ...application, policies: [devices] }],
      "access-policies: none for people: nobody can log in",
    ],
    [
      "no policy for devices",
      [{ ...application, policies: [people] }],
      "access-policies: none for devices: no phone gets in",
    ],
    [
      "people before devices",
      [
        {
          ...application,
          policies: [
            { ...people, precedence: 1 },
            { ...devices, precedence: 2 },
          ],
        },
      ],
      "access-policies: the one for people comes first",
    ],
    [
      "one person more",
      [{ ...application, policies: [devices, including(people, { email: { email: "eve@example.net" } })] }],
      "access-policies: also admits email eve@example.net",
    ],
    [
      "a token more",
      [{ ...application, policies: [including(devices, { service_token: { token_id: "9" } }), people] }],
      "access-policies: also admits service_token 9",
    ],
    [
      "a second policy for people that admits somebody else",
      [{ ...application, policies: [devices, people, including(people, { email: { email: "eve@example.net" } })] }],
      "access-policies: also admits email eve@example.net",
    ],
    [
      "a second policy for devices that admits another token",
      [{ ...application, policies: [devices, including(devices, { service_token: { token_id: "9" } }), people] }],
      "access-policies: also admits service_token 9",
    ],
    [
      "a person less",
      [{ ...application, policies: [devices, { ...people, include: people.include.slice(1) }] }],
      "access-policies: does not admit email anna@example.com",
    ],
    [
      "a Bypass on a path",
      [application, other(`${HOST}/share`, { decision: "bypass" })],
      "access-holes: policy «all» of «Other» is a Bypass",
    ],
    [
      "Everyone under a wildcard",
      [application, other("*.example.com", { include: [{ everyone: {} }] })],
      "access-holes: policy «all» of «Other» admits everyone",
    ],
    [
      "a login that is gone",
      [{ ...application, allowed_idps: ["gone"] }],
      "login-provider: the identity provider of the application does not exist any more",
    ],
  ])("the doctor notices %s at Access", (_, all, expected) => {
    expect(found(all)).toContain(expected);
  });

  it("the doctor ignores applications of other sites", () => {
    expect(found([application, other("other.example.com", { decision: "bypass" })])).toEqual([]);
    expect(found([application, other("*.other.example.com", { decision: "bypass" })])).toEqual([]);
    expect(found([application, other(`${HOST}/share`, { decision: "deny", include: [{ everyone: {} }] })])).toEqual([]);
  });

  it("the doctor reports any service token as a hole, unless the stack allows it", () => {
    const any = { ...application, policies: [{ ...devices, include: [{ any_valid_service_token: {} }] }, people] };
    expect(found([any])).toContain(
      "access-holes: policy «devices» of «Immich» admits every service token of the account",
    );
    expect(found([any], { anyServiceToken: true })).toEqual([]);
  });

  it("an application that was made or changed within two minutes may not be in force yet", () => {
    const settling = (change: Partial<Application>) => isSettling([{ ...application, ...change }], HOST, NOW.getTime());
    const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000).toISOString();
    expect(settling({ created_at: ago(90), updated_at: ago(90) })).toBe(true);
    expect(settling({ created_at: ago(9000), updated_at: ago(90) })).toBe(true);
    expect(settling({ created_at: ago(9000), updated_at: ago(150) })).toBe(false);
    expect(settling({ created_at: ago(9000), updated_at: "" })).toBe(false);
    expect(settling({})).toBe(false);
    expect(settling({ created_at: ago(1), domain: "other.example.com", destinations: null })).toBe(false);
  });

  it("the doctor reports each device's token", () => {
    const told = (change: object) => tokenFindings([{ ...tokens[0]!, ...change }], wanted, NOW).map(brief);
    expect(told({})).toEqual(["ok: until 2027-11-24"]);
    expect(told({ client_id: "2.access" })).toEqual(["wrong: does not exist any more"]);
    expect(told({ enabled: false })).toEqual(["wrong: is disabled"]);
    expect(told({ expires_at: "2026-11-20T00:00:00Z" })).toEqual(["wrong: ended on 2026-11-20"]);
    expect(told({ expires_at: "2026-12-20T00:00:00Z" })).toEqual([
      "warning: ends on 2026-12-20, in 25 days: the next `pulumi up` refreshes it",
    ]);
    expect(told({ expires_at: undefined })).toEqual(["warning: never ends"]);
    expect(told({ previous_client_secret_expires_at: "2026-12-01T00:00:00Z" })).toEqual([
      "ok: until 2027-11-24; its former secret works until 2026-12-01T00:00:00Z",
    ]);
    expect(told({ previous_client_secret_expires_at: "2026-11-01T00:00:00Z" })).toEqual(["ok: until 2027-11-24"]);
  });

  it("the doctor does not warn of a short-lived token before half of its life is over", () => {
    const weekly = { ...wanted, tokenDuration: "168h" };
    const until = (day: string) => tokenFindings([{ ...tokens[0]!, expires_at: day }], weekly, NOW)[0]?.status;
    expect(until("2026-11-28T12:00:00Z")).toBe("ok");
    expect(until("2026-11-27T11:00:00Z")).toBe("warning");
    // It has more left than a week, so it has been refreshed, by a year.
    expect(until("2026-12-20T00:00:00Z")).toBe("warning");
  });

  it("the doctor says what happens to a token that is due, and what to do where the stack does not refresh it", () => {
    const ends = (expires_at: string | undefined, change: object) => {
      const { expires_at: _, ...endless } = tokens[0]!;
      const token = expires_at === undefined ? endless : { ...endless, expires_at };
      return tokenFindings([token], { ...wanted, ...change }, NOW)[0];
    };
    expect(ends("2026-12-20T00:00:00Z", {})).toMatchObject({
      due: true,
      fix: "pulumi up, which refreshes it; phone keeps its values",
    });
    expect(ends("2026-11-20T00:00:00Z", {})?.fix).toContain("pulumi up, which refreshes it");
    expect(ends("2026-12-20T00:00:00Z", { tokenRefresh: false })).toMatchObject({
      due: true,
      says: "ends on 2026-12-20, in 25 days",
      fix: expect.stringContaining("Service credentials: Refresh") as string,
    });
    const forever = { tokenDuration: "forever" };
    expect(brief(ends(undefined, forever)!)).toBe("ok: never ends, as tokenDuration says");
    expect(brief(ends("2027-11-24T00:00:00Z", forever)!)).toBe("warning: until 2027-11-24, not forever");
    expect(ends("2026-12-20T00:00:00Z", forever)).toMatchObject({ due: true, fix: "pulumi up --refresh" });
  });

  it("the doctor warns of an organisation without strict service tokens", () => {
    expect(strictTokensFinding({ auth_domain: "x", strict_service_token_auth: true }).status).toBe("ok");
    expect(strictTokensFinding({ auth_domain: "x", strict_service_token_auth: false }).status).toBe("warning");
    expect(strictTokensFinding({ auth_domain: "x" }).status).toBe("warning");
  });
});

it("the doctor compares the host's ranges with the live ones", () => {
  const host = { ipv4: ["104.16.0.0/13", "203.0.113.0/24"], ipv6: ["2606:4700::/32"] };
  expect(rangesFinding(host, ["104.16.0.0/13", "203.0.113.0/24", "2606:4700::/32"]).status).toBe("ok");
  expect(brief(rangesFinding(host, ["104.16.0.0/13", "2606:4700::/32", "2400:cb00::/32"]))).toBe(
    "wrong: the host lacks 2400:cb00::/32 and still has 203.0.113.0/24",
  );
  expect(rangesFinding(host, undefined).status).toBe("unknown");
});

it("the doctor reports how far a clock is off", () => {
  expect(clockFinding("host", 2).status).toBe("ok");
  expect(brief(clockFinding("host", -90))).toBe("wrong: is 90 s behind Cloudflare's");
  expect(brief(clockFinding("workstation", 90))).toBe("wrong: is 90 s ahead of Cloudflare's");
  expect(clockFinding("host", undefined).status).toBe("unknown");
  expect(clockFinding("host", Number.NaN).status).toBe("unknown");
});

describe("--connect-to", () => {
  it("--connect-to is parsed as curl parses it", () => {
    expect(parseDetour("a.example.com:443:127.0.0.1:8443")).toEqual({
      from: { host: "a.example.com", port: 443 },
      to: { host: "127.0.0.1", port: 8443 },
    });
    expect(parseDetour("[2001:db8::1]::[fd00::1]:")).toEqual({
      from: { host: "2001:db8::1", port: undefined },
      to: { host: "fd00::1", port: undefined },
    });
    expect(parseDetour("::b:2")).toEqual({
      from: { host: undefined, port: undefined },
      to: { host: "b", port: 2 },
    });
    for (const bad of ["", "a", "a:1", "a:1:b", "a:x:b:1"]) expect(parseDetour(bad)).toBeUndefined();
  });

  it("--connect-to redirects only the names it lists", () => {
    const detours = ["a.example.com:443:127.0.0.1:8443", "b.example.com::127.0.0.2:"].map((text) => parseDetour(text)!);
    const to = (host: string, port: number) => destination({ detours, ca: undefined }, host, port);
    expect(to("a.example.com", 443)).toEqual({ host: "127.0.0.1", port: 8443 });
    expect(to("a.example.com", 80)).toEqual({ host: "a.example.com", port: 80 });
    expect(to("b.example.com", 80)).toEqual({ host: "127.0.0.2", port: 80 });
  });
});

describe("the report", () => {
  const findings = [
    passed(CHECK, "fine"),
    failed({ ...CHECK, id: "other", place: "cloudflare", title: "Other" }, "broken"),
  ];

  it("the report says of each problem why it matters and what fixes it", () => {
    const text = table({ sites: [HOST], findings, seconds: 1.23 }, process.stdout);
    expect(text.split("\n").map((line) => line.trimEnd())).toEqual([
      HOST,
      "",
      "On the host",
      "  ok       A check  fine",
      "",
      "At Cloudflare, and through it",
      "  WRONG    Other    broken",
      "           why  It matters.",
      "           fix  mend",
      "",
      "1 wrong, the rest passed (1.2 s)",
    ]);
  });

  it("the report says which of several sites and hosts a finding is about", () => {
    const { id: _, ...rest } = CHECK;
    const several = ["one", "two"].flatMap((host) => [
      ...withSubject({ host }, [passed({ ...rest, id: "firewall" }, "shut")]),
      ...withSubject({ host, site: HOST }, [passed({ ...rest, id: "key" }, "fine")]),
      ...withSubject({ host }, [passed({ ...rest, id: "timer" }, "runs")]),
    ]);
    const text = table({ sites: [HOST, "album.example.com"], findings: several, seconds: 1 }, process.stdout);
    const lines = text.split("\n").map((line) => line.trimEnd());
    expect(lines[0]).toBe("photos.example.com, album.example.com");
    expect(lines.filter((line) => /^(On|At|From)|^ /.test(line))).toEqual(
      ["one", "two"].flatMap((host) => [
        `On the host: ${host}`,
        "  ok       A check  shut",
        "  ok       A check  runs",
        `On the host: ${host}, ${HOST}`,
        "  ok       A check  fine",
      ]),
    );
    const { findings: told } = JSON.parse(json({ sites: [HOST], findings: several, seconds: 1 })) as {
      findings: object[];
    };
    expect(told[4]).toMatchObject({ id: "key", host: "two", site: HOST });
  });

  it("the report is JSON for programs", () => {
    expect(JSON.parse(json({ sites: [HOST], findings, seconds: 1.23 }))).toEqual({
      site: HOST,
      exitStatus: 1,
      seconds: 1.23,
      findings,
    });
  });

  it.each<[Status[], number]>([
    [["ok", "warning"], 0],
    [["ok", "unknown"], 2],
    [["unknown", "wrong", "ok"], 1],
  ])("a report of %s ends with %i", (statuses, expected) => {
    expect(exitStatus(statuses.map((status) => ({ ...passed(CHECK, ""), status })))).toBe(expected);
  });
});
