import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { configure } from "./support/configuration.ts";
import { find, RANGES, recordResources, settled, valueOf, type Registered } from "./support/mocks.ts";

interface Program {
  url: string;
  publicShareUrl: string | undefined;
  devices: pulumi.Output<Record<string, { clientId: string; clientSecret: string }>>;
  audience: pulumi.Output<string>;
  certificateExpiry: { origin: pulumi.Output<string>; originPulls?: pulumi.Output<string> };
  tokenExpiry: Record<string, pulumi.Output<string>>;
}

let registered: Registered[];
let calls: string[];

beforeEach(() => {
  vi.restoreAllMocks();
  vi.resetModules();
});

async function run(changes: Record<string, string> = {}, preview = false): Promise<Program> {
  ({ registered, calls } = recordResources(preview));
  configure(changes);
  const program = (await import("../../index.ts")) as unknown as Program;
  await settled();
  expect(registered.length).toBeGreaterThan(10);
  return program;
}

const ofType = (suffix: string) => registered.filter(({ type }) => type.endsWith(`:${suffix}`));
const site = (name: string) => `photos.example.com-${name}`;
/** What a step is asked, which follows the script that starts the agent. */
const request = ({ inputs }: { inputs: Record<string, unknown> }) =>
  JSON.parse((inputs["stdin"] as string).split("\n.\n")[1] ?? "") as { payload: Record<string, unknown> };
const payload = (name: string) => request(find(registered, name)).payload;

describe("the program", () => {
  it("registers the same resources in a preview, where nothing is known yet", async () => {
    await run();
    const normal = registered.map(({ type, name }) => `${type} ${name}`).sort();
    vi.resetModules();
    vi.restoreAllMocks();
    await run({}, true);
    expect(registered.map(({ type, name }) => `${type} ${name}`).sort()).toEqual(normal);
  });

  it("attaches both policies to the application, the devices' first", async () => {
    await run();
    expect(find(registered, site("access-application")).inputs["policies"]).toEqual([
      { id: site("access-devices-id"), precedence: 1 },
      { id: site("access-people-id"), precedence: 2 },
    ]);
    expect(find(registered, site("access-people")).inputs).toMatchObject({
      decision: "allow",
      includes: [{ email: { email: "anna@example.com" } }, { emailDomain: { domain: "example.org" } }],
    });
    expect(find(registered, site("access-devices")).inputs).toMatchObject({
      decision: "non_identity",
      includes: [
        { serviceToken: { tokenId: site("access-token-annas-phone-id") } },
        { serviceToken: { tokenId: site("access-token-frame-id") } },
      ],
    });
  });

  it("admits any service token only when told so", async () => {
    await run({ anyServiceToken: "true" });
    expect(find(registered, site("access-devices")).inputs["includes"]).toEqual([{ anyValidServiceToken: {} }]);
  });

  it("leaves the Service Auth policy out when there are no devices", async () => {
    await run({ devices: "[]" });
    expect(registered.filter(({ name }) => name === site("access-devices"))).toEqual([]);
    expect(find(registered, site("access-application")).inputs["policies"]).toEqual([
      { id: site("access-people-id"), precedence: 1 },
    ]);
  });

  it("applies the session's duration to the policy too, which would override it", async () => {
    await run({ sessionDuration: "12h" });
    expect(find(registered, site("access-application")).inputs["sessionDuration"]).toBe("12h");
    expect(find(registered, site("access-people")).inputs["sessionDuration"]).toBe("12h");
  });

  it("creates, adopts or leaves alone the login provider", async () => {
    await run();
    expect(find(registered, site("access-application")).inputs["allowedIdps"]).toEqual(["login-one-time-pin-id"]);
    const id = "699d98642c564d2e855e9661899b7252".replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    vi.resetModules();
    vi.restoreAllMocks();
    await run({ loginProvider: id });
    expect(ofType("ZeroTrustAccessIdentityProvider")).toEqual([]);
    expect(find(registered, site("access-application")).inputs["allowedIdps"]).toEqual([id]);
    vi.resetModules();
    vi.restoreAllMocks();
    await run({ loginProvider: "account" });
    expect(find(registered, site("access-application")).inputs).not.toHaveProperty("allowedIdps");
  });

  it("rotates one device's secret", async () => {
    await run({ deviceRotations: '{"frame":{"secretVersion":2,"previousSecretExpiresAt":"2026-12-01T00:00:00Z"}}' });
    expect(find(registered, site("access-token-frame")).inputs).toMatchObject({
      clientSecretVersion: 2,
      previousClientSecretExpiresAt: "2026-12-01T00:00:00Z",
    });
    expect(find(registered, site("access-token-annas-phone")).inputs).not.toHaveProperty("clientSecretVersion");
  });

  it("declares a proxied record for each address", async () => {
    await run();
    expect(
      ofType("DnsRecord").map(({ inputs }) => [inputs["type"], inputs["content"], inputs["proxied"], inputs["ttl"]]),
    ).toEqual([
      ["A", "203.0.113.10", true, 1],
      ["AAAA", "2001:db8::10", true, 1],
    ]);
  });

  it("sets Full (strict) and what has to hold with it", async () => {
    await run({ alwaysUseHttps: "false", minTlsVersion: "1.3" });
    expect(
      Object.fromEntries(ofType("ZoneSetting").map(({ inputs }) => [inputs["settingId"], inputs["value"]])),
    ).toEqual({
      ssl: "strict",
      ssl_automatic_mode: "custom",
      min_tls_version: "1.3",
      always_use_https: "off",
      websockets: "on",
    });
  });

  it("changes nothing in place for another host name, so that the old one stays guarded until it is gone", async () => {
    await run();
    const before = registered;
    const firewall = payload("firewall-command");
    vi.resetModules();
    vi.restoreAllMocks();
    await run({ hostname: "album.example.com" });
    const kept = registered.filter(({ name }) => before.some((resource) => resource.name === name));
    expect(kept.map(({ name }) => name)).toContain("login-one-time-pin");
    // The firewall keeps a list of the host's sites; what it lets in is the same.
    expect(payload("firewall-command")).toEqual({ ...firewall, site: "album.example.com" });
    for (const { name, inputs } of kept.filter(({ name }) => name !== "firewall-command")) {
      expect(inputs, name).toEqual(find(before, name).inputs);
    }
    const guards = ["DnsRecord", "ZeroTrustAccessApplication", "Command"].flatMap(ofType);
    for (const { name } of guards.filter(({ name }) => name !== "firewall-command")) {
      expect(name).toMatch(/^album\.example\.com-/);
    }
  });

  it("names every child after its component", async () => {
    await run();
    for (const { type, name, parent } of registered.filter(({ parent }) => parent.includes("immich-access:index:"))) {
      expect(name.startsWith(`${parent.split("::").at(-1) ?? ""}-`), `${type} ${name}`).toBe(true);
    }
  });
});

describe("origin pulls", () => {
  it("presents a leaf of our own authority for the host name", async () => {
    await run();
    expect(find(registered, site("origin-pulls-hostname")).inputs["configs"]).toEqual([
      { hostname: "photos.example.com", certId: site("origin-pulls-certificate-id"), enabled: true },
    ]);
    expect(find(registered, site("origin-pulls-certificate-leaf")).inputs).toMatchObject({
      allowedUses: ["digital_signature", "client_auth"],
      validityPeriodHours: 365 * 24,
      earlyRenewalHours: 30 * 24,
    });
    expect(find(registered, site("origin-pulls-certificate-key")).inputs).toMatchObject({
      algorithm: "RSA",
      rsaBits: 2048,
    });
    expect(payload(site("certificates-command"))).toMatchObject({ clientCa: "CA PEM" });
  });

  it("does so for the whole zone", async () => {
    await run({ originPulls: "zone", originPullsKey: "ECDSA-P256" });
    expect(ofType("AuthenticatedOriginPullsCertificate")).toHaveLength(1);
    expect(find(registered, site("origin-pulls-zone")).inputs).toMatchObject({ enabled: true });
    expect(ofType("AuthenticatedOriginPulls")).toEqual([]);
  });

  it("trusts Cloudflare's published authority in the shared mode", async () => {
    await run({ originPulls: "shared" });
    expect(find(registered, site("origin-pulls-shared")).inputs).toMatchObject({
      settingId: "tls_client_auth",
      value: "on",
    });
    const pem = payload(site("certificates-command"))["clientCa"] as string;
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
    expect(createHash("sha256").update(der).digest("hex")).toMatch(/^9a1ac2b4/);
    expect(ofType("SelfSignedCert")).toEqual([]);
  });
});

describe("the host's steps", () => {
  it("carry secrets on standard input only, and as secrets", async () => {
    await run();
    const steps = ofType("Command");
    expect(new Set(steps.map(({ name }) => name))).toEqual(
      new Set(["firewall-command", ...["certificates", "nginx", "token-check"].map((step) => site(`${step}-command`))]),
    );
    for (const { secrets, inputs } of steps) {
      expect(secrets).toEqual(expect.arrayContaining(["stdin", "connection"]));
      expect(JSON.stringify([inputs["create"], inputs["update"], inputs["delete"]])).not.toContain("KEY PEM");
      expect(inputs).not.toHaveProperty("triggers");
      expect(inputs["addPreviousOutputInEnv"]).toBe(false);
      expect((inputs["create"] as string).length).toBeLessThan(2000);
      expect((inputs["connection"] as { hostKey: string }).hostKey).toMatch(/^ssh-ed25519 /);
    }
  });

  it("pass what each needs", async () => {
    await run();
    expect(payload("firewall-command")).toEqual({
      ranges: { ipv4: ["103.21.244.0/22", "198.41.128.0/17"], ipv6: ["2400:cb00::/32"] },
      site: "photos.example.com",
      sshPort: 22,
      immichPort: 2283,
      dockerPublishedPort: "refuse",
      confirmSeconds: 120,
    });
    expect(payload(site("certificates-command"))).toEqual({
      site: "photos.example.com",
      firewall: "done",
      certificate: "ORIGIN PEM",
      privateKey: "KEY PEM",
      clientCa: "CA PEM",
    });
    expect(payload(site("nginx-command"))).toEqual({
      site: "photos.example.com",
      certificates: "done",
      serves: "immich",
      upstream: "127.0.0.1:2283",
      tokenCheck: true,
    });
    expect(payload(site("token-check-command"))).toEqual({
      site: "photos.example.com",
      audience: "AUDIENCE",
      teamDomain: "team.cloudflareaccess.com",
    });
  });

  it("leave the token check out when told so", async () => {
    await run({ originJwtCheck: "false", teamDomain: "" });
    expect(payload(site("nginx-command"))).toMatchObject({ tokenCheck: false });
    expect(ofType("HostAccess")).toEqual([]);
  });

  it("run again when the host's revision is another", async () => {
    await run({ hostRevision: "7" });
    for (const { inputs } of ofType("Command")) {
      expect(request({ inputs })).toMatchObject({ revision: 7 });
      expect(inputs["connection"]).not.toHaveProperty("revision");
    }
  });

  it("ask for no Docker check when Immich runs elsewhere", async () => {
    await run({ immichUpstream: "192.168.1.7:2283" });
    expect(payload("firewall-command")["immichPort"]).toBeNull();
  });
});

/** Names of all that the engine makes before a resource, and removes after it: what it or its parents depend on. */
function awaited(name: string, type?: string): Set<string> {
  const names = new Set<string>();
  const follow = (resource: Registered) => {
    const urns = [...resource.dependencies, resource.parent].filter((urn) => urn !== "" && !names.has(urn));
    for (const urn of urns) {
      names.add(urn);
      const found = registered.filter((one) => urn.endsWith(`${one.type}::${one.name}`));
      found.forEach(follow);
    }
  };
  registered.filter((one) => one.name === name && (type === undefined || one.type === type)).forEach(follow);
  return new Set([...names].map((urn) => urn.split("::").at(-1) ?? ""));
}

describe("public shares", () => {
  const SHARES = { publicShareHostname: "shares.example.com", publicShareUpstream: "127.0.0.1:3001" };
  const shares = (part: string) => `shares.example.com-${part}`;

  it("are not there unless they have a host name", async () => {
    const program = await run();
    expect(registered.filter(({ type, name }) => /share/i.test(type + name))).toEqual([]);
    expect(program.publicShareUrl).toBeUndefined();
  });

  it("add a site with its name in all that belongs to it, and change nothing of the main one", async () => {
    await run();
    const before = registered;
    vi.resetModules();
    vi.restoreAllMocks();
    const program = await run(SHARES);
    expect(program.publicShareUrl).toBe("https://shares.example.com");
    const kept = registered.filter(({ name }) => before.some((resource) => resource.name === name));
    const shape = ({ type, name, inputs }: Registered) => `${type} ${name} ${JSON.stringify(inputs)}`;
    expect(kept.map(shape).sort()).toEqual(before.map(shape).sort());
    const added = registered.filter((resource) => !kept.includes(resource));
    expect(added.length).toBeGreaterThan(10);
    for (const { name } of added) expect(name).toMatch(/^shares\.example\.com(-|$)/);
    expect(added.filter(({ type }) => type.includes("ZeroTrust"))).toEqual([]);
    expect(find(registered, shares("dns-a-203-0-113-10")).inputs).toMatchObject({
      name: "shares.example.com",
      proxied: true,
    });
    expect(find(registered, shares("origin-certificate-certificate")).inputs["hostnames"]).toEqual([
      "shares.example.com",
    ]);
    expect(payload(shares("certificates-command"))).toMatchObject({ site: "shares.example.com", firewall: "done" });
    expect(payload(shares("nginx-command"))).toEqual({
      site: "shares.example.com",
      certificates: "done",
      serves: "shares",
      upstream: "127.0.0.1:3001",
      tokenCheck: false,
    });
  });

  it("come after the main site's guard, and their records after all else", async () => {
    for (const [changes, guard] of [
      [SHARES, site("token-check-command")],
      [{ ...SHARES, originJwtCheck: "false" }, site("access-application")],
    ] as const) {
      vi.resetModules();
      vi.restoreAllMocks();
      await run(changes);
      for (const { name, type } of registered.filter((one) => one.name.startsWith("shares."))) {
        expect(awaited(name, type), name).toContain(guard);
      }
      const order = ["certificates-command", "origin-pulls-hostname", "nginx-command", "dns-a-203-0-113-10"].map(
        shares,
      );
      for (const [index, name] of order.entries()) {
        expect([...awaited(name)].filter((one) => order.includes(one)).sort()).toEqual(order.slice(0, index).sort());
      }
      expect([...awaited(site("dns-a-203-0-113-10"))].filter((name) => name.startsWith("shares."))).toEqual([]);
    }
  });

  it("are covered by the origin pulls of the whole zone where those are on", async () => {
    for (const originPulls of ["zone", "shared"]) {
      vi.resetModules();
      vi.restoreAllMocks();
      await run({ ...SHARES, originPulls });
      expect(registered.filter(({ name }) => name.startsWith(shares("origin-pulls")))).toEqual([]);
      expect(payload(shares("certificates-command"))["clientCa"]).toBe(
        payload(site("certificates-command"))["clientCa"],
      );
    }
  });
});

describe("the network", () => {
  it("is asked for the ranges only", async () => {
    await run();
    expect(calls).toEqual(["cloudflare:index/getIpRanges:getIpRanges"]);
    expect(RANGES.ipv4Cidrs).toHaveLength(2);
  });

  it("is not asked at all when the ranges are pinned", async () => {
    await run({ ipRanges: '["173.245.48.0/20","2400:cb00::/32"]' });
    expect(calls).toEqual([]);
    expect(payload("firewall-command")["ranges"]).toEqual({ ipv4: ["173.245.48.0/20"], ipv6: ["2400:cb00::/32"] });
  });
});

it("exports what a person needs, secrets as secrets", async () => {
  const program = await run();
  expect(program.url).toBe("https://photos.example.com");
  expect(await pulumi.isSecret(program.devices)).toBe(true);
  expect((await valueOf(program.devices))["frame"]).toMatchObject({
    clientId: "0123.access",
    clientSecret: "cfast_secret",
  });
  expect(await pulumi.isSecret(program.audience)).toBe(false);
  expect(await valueOf(program.audience)).toBe("AUDIENCE");
  expect(await valueOf(program.certificateExpiry.origin)).toBe("2027-11-23T00:00:00Z");
  expect(Object.keys(program.tokenExpiry)).toEqual(["annas-phone", "frame"]);
});
