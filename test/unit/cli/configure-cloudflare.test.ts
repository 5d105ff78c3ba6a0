// What configure finds out at Cloudflare before it asks for anything else, against the API double.
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { askZone, checkToken, hasAutomaticMode } from "../../../cli/configure/cloudflare.ts";
import { Dialogue } from "../../../cli/configure/dialogue.ts";
import { checkNames, furtherNames, hostnameProblem } from "../../../cli/configure/names.ts";
import { checkRulesPermission } from "../../../cli/configure/origin-port.ts";
import { rivalTasks } from "../../../cli/configure/rivals.ts";
import { apiReader } from "../../../cli/doctor/cloudflare/api.ts";
import type { State, Zone } from "../../../dev/sandbox/api/state.ts";
import { PROGRAM_PERMISSIONS } from "../../../dev/sandbox/api/tokens.ts";
import { DEV } from "../../../dev/sandbox/api/world.ts";
import { type ApiFixture, startApiFixture } from "../../../dev/sandbox/test/api-fixture.ts";

let fixture: ApiFixture;
let before: State;
let apiUrl: string;
beforeAll(async () => {
  fixture = await startApiFixture();
  before = await fixture.admin.state();
  apiUrl = fixture.url;
});
afterAll(() => fixture.close());

const said: string[] = [];
beforeEach(async () => {
  said.length = 0;
  vi.spyOn(console, "log").mockImplementation((text: string) => said.push(text));
  await fixture.admin.clearFaults();
  await fixture.admin.alter(before);
});

const dialogue = (flags: Readonly<Record<string, string>> = {}) => new Dialogue(flags, false);
const changeZone = (change: Partial<Zone>) =>
  fixture.admin.alter({ zones: before.zones.map((zone) => ({ ...zone, ...change })) });
const zone = { zoneId: DEV.zone, accountId: DEV.account, name: DEV.zoneName };
/** A moment of patience in place of ten seconds. */
const reader = (token = fixture.token, patienceMs = 0) => apiReader(apiUrl, token, patienceMs);
const check = (token = fixture.token, patienceMs = 0) =>
  checkToken(dialogue(), { api: reader(token, patienceMs), apiUrl, token, patienceMs }, zone);

it("Automatic SSL/TLS is looked for in the zone", async () => {
  expect(await hasAutomaticMode(reader(), DEV.zone)).toBe(true);
  const settings = Object.fromEntries(
    Object.entries(before.zones[0]?.settings ?? {}).filter(([id]) => id !== "ssl_automatic_mode"),
  );
  await changeZone({ settings });
  expect(await hasAutomaticMode(reader(), DEV.zone)).toBe(false);
  await expect(hasAutomaticMode(reader("x".repeat(40)), DEV.zone)).rejects.toThrow("Invalid API Token");
});

describe("the token", () => {
  it("that has everything leads to the team's domain", async () => {
    expect(await check()).toBe(DEV.teamDomain);
  });

  it("of an account without Zero Trust lacks nothing that it has, however Cloudflare says so", async () => {
    const sentence =
      /^the account has no Zero Trust team yet: open https:\/\/one\.dash\.cloudflare\.com, choose a team name and the free plan, and run this again \(access\.api\.error\.not_enabled \(9999\)\)$/;
    await fixture.admin.alter({ organizations: [] });
    await expect(check()).rejects.toThrow(sentence);
    const permissions = PROGRAM_PERMISSIONS.filter((name) => !name.startsWith("SSL"));
    const { token } = await fixture.admin.createToken({ name: "weak", permissions });
    await expect(check(token)).rejects.toThrow(sentence);

    await fixture.admin.alter({ organizations: before.organizations });
    const missing = { status: 404, code: 9999, message: "access.api.error.not_enabled" };
    await fixture.admin.fault({ path: "/access/organizations$", outcome: "status", times: 0, ...missing });
    await expect(check(token)).rejects.toThrow(sentence);
  });

  it("that lacks permissions is told in Cloudflare's own words", async () => {
    const permissions = PROGRAM_PERMISSIONS.filter((name) => !/SSL|Organizations/.test(name));
    const { token } = await fixture.admin.createToken({ name: "weak", permissions });
    await expect(check(token)).rejects.toThrow(
      /^the token lacks: Zone, SSL and Certificates, Edit; Account, Access: Organizations, Identity Providers, and Groups, Edit\. Cloudflare says: Authentication error \(10000\)\n/,
    );
  });

  it("is asked for origin rules only if the port is not 443", async () => {
    const ask = (token: string, port: number) =>
      checkRulesPermission(dialogue(), { apiUrl, token, patienceMs: 0 }, zone, port);
    await ask(fixture.token, 443);
    await expect(ask(fixture.token, 8443)).rejects.toThrow(
      /^the token lacks: Zone, Origin Rules, Edit, which port 8443 needs\. Cloudflare says: Authentication error \(10000\)\. Edit the token/,
    );
    const permissions = [...PROGRAM_PERMISSIONS, "Origin Write"];
    await ask((await fixture.admin.createToken({ name: "rules", permissions })).token, 8443);
  });

  it("that was just made is refused for a time, which is waited for", async () => {
    const make = async (seconds: number) => {
      const usable_from = new Date(Date.now() + seconds * 1000).toISOString();
      return (await fixture.admin.createToken({ name: "new", usable_from })).token;
    };
    const soon = await make(1);
    expect(await askZone(dialogue(), reader(soon, 10_000), () => undefined)).toEqual(zone);
    expect(await check(await make(1), 10_000)).toBe(DEV.teamDomain);
    const late = await make(3600);
    await expect(askZone(dialogue(), reader(late), () => undefined)).rejects.toThrow(
      "Cloudflare does not accept the API token for /zones?page=1&per_page=50: it answers 403, Unable to authenticate request (10000)",
    );
    await expect(check(late)).rejects.toThrow("Cloudflare says: Unable to authenticate request (10000)");
  });
});

describe("the zone", () => {
  const ask = (flags: Readonly<Record<string, string>> = {}) => askZone(dialogue(flags), reader(), () => undefined);

  it.each<[string, Partial<Zone>, RegExp]>([
    [
      "waits for its name servers",
      { status: "pending" },
      /status is pending.*ada\.ns\.cloudflare\.localhost and bob\./,
    ],
    ["is paused", { paused: true }, /is paused.*Enable Cloudflare on Site/],
    ["has a CNAME set-up", { type: "partial", plan: "Business" }, /CNAME set-up.*convert it to a full set-up/],
  ])("that %s is refused with the way out", async (_, change, message) => {
    await changeZone(change);
    await expect(ask()).rejects.toThrow(message);
  });

  it("with an international name can be named in Unicode and in ASCII, and is in ASCII from then on", async () => {
    const other = { ...before.zones[0], id: "f".repeat(32), name: "other.localhost" };
    await fixture.admin.alter({ zones: [{ ...before.zones[0], name: "xn--mnchen-3ya.localhost" }, other] });
    const { token } = await fixture.admin.createToken({ name: "all" });
    for (const name of ["münchen.localhost", "xn--mnchen-3ya.localhost"]) {
      const found = await askZone(dialogue({ zone: name }), reader(token), () => undefined);
      expect(found).toEqual({ ...zone, name: "xn--mnchen-3ya.localhost" });
    }
  });

  it.each([{}, { result: [{ id: 1 }] }, { result: [{ id: "1", name: "x", account: null }] }, { result: "x" }])(
    "in an answer like %j is not believed",
    async (body) => {
      const answered = vi.spyOn(globalThis, "fetch").mockImplementation(() => Promise.resolve(Response.json(body)));
      await expect(ask()).rejects.toThrow(/^the API request failed \(\/zones.*\): it/);
      answered.mockRestore();
    },
  );
});

describe("names", () => {
  it("the host name is the zone's or under it, in Unicode or in ASCII", () => {
    const problem = hostnameProblem("example.com");
    for (const name of ["example.com", "photos.example.com", "a.b.example.com", "föto.example.com"]) {
      expect(problem(name), name).toBeUndefined();
    }
    expect(problem("photos.example.net")).toBe("is not in the zone example.com");
    expect(problem("photosexample.com")).toBe("is not in the zone example.com");
    expect(problem("Photos.example.com")).toMatch(/in lower case$/);
    const international = hostnameProblem("xn--mnchen-3ya.example");
    for (const name of ["münchen.example", "foto.münchen.example", "foto.xn--mnchen-3ya.example"]) {
      expect(international(name), name).toBeUndefined();
    }
  });

  const present = {
    moreSites: JSON.stringify([{ hostname: "album.example.com" }, {}, { hostname: "a.b.example.com" }]),
    publicShareHostname: "shares.c.example.com",
  };

  it("that Universal SSL does not cover are warned of in every setting", () => {
    checkNames(dialogue(), "example.com", [
      { setting: "hostname", hostname: "photos.d.example.com" },
      ...furtherNames(present),
    ]);
    expect(said.map((text) => / not (\S+):/.exec(text)?.[1])).toEqual([
      "photos.d.example.com",
      "a.b.example.com",
      "shares.c.example.com",
    ]);
    expect(said[0]).toMatch(/take a name like photos\.example\.com, or order a certificate/);
  });

  it("that are in another zone are refused by their settings", () => {
    expect(() => {
      checkNames(dialogue(), "d.example.com", furtherNames({ ...present, publicShareHostname: "" }));
    }).toThrow(
      /d\.example\.com does not have moreSites\[0\]\.hostname \(album\.example\.com\) and moreSites\[2\]\.hostname \(a\.b\.example\.com\)/,
    );
    expect(furtherNames({})).toEqual([]);
  });
});

describe("what else would get the requests", () => {
  const [site, album] = [`photos.${DEV.zoneName}`, `album.${DEV.zoneName}`];
  const tasks = (token = fixture.token) =>
    rivalTasks({ api: reader(token), once: reader(token) }, DEV.zone, [site, album]);
  const record = (name: string, type: string, content: string) =>
    fixture.call("POST", `/zones/${DEV.zone}/dns_records`, { name, type, content, proxied: true, ttl: 1 });

  it("is a tunnel on one of the names", async () => {
    await record(album, "CNAME", "6ff42ae2-765d-4adf-8112-31c55c1551ef.cfargotunnel.com");
    await record(site, "A", "198.51.100.10");
    await record(`other.${DEV.zoneName}`, "CNAME", "1.cfargotunnel.com");
    expect(await tasks()).toEqual([
      expect.stringMatching(
        /^a Cloudflare Tunnel gets the requests for album\.home\.localhost \(CNAME 6ff42ae2.*\), not this host: take the name out/,
      ),
    ]);
  });

  it("is a Worker's route, if the token may read those", async () => {
    await changeZone({
      workers_routes: [
        { id: "1", pattern: "*home.localhost/*", script: "maintenance" },
        { id: "2", pattern: `https://${album}/api/*`, script: "api" },
        { id: "3", pattern: "*.other.localhost/*", script: "other" },
        { id: "4", pattern: `${site}/*` },
        { id: "5", pattern: "*.photos.home.localhost/*", script: "below" },
      ],
    });
    expect(await tasks()).toEqual([]);
    const permissions = [...PROGRAM_PERMISSIONS, "Workers Routes Read"];
    const { token } = await fixture.admin.createToken({ name: "workers", permissions });
    expect(await tasks(token)).toEqual([
      expect.stringContaining(
        `the Worker "maintenance" takes requests for ${site} and ${album} (route *home.localhost/*)`,
      ),
      expect.stringContaining(`the Worker "api" takes requests for ${album} (route https://${album}/api/*)`),
    ]);
  });

  it("is left to the user if the routes cannot be read for another reason", async () => {
    await fixture.admin.fault({ path: "/workers/routes$", outcome: "status", times: 0, status: 500 });
    expect(await tasks()).toEqual([expect.stringMatching(/^see in the dashboard that no Worker has a route/)]);
  });
});
