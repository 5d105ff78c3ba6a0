import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { find, RANGES, valueOf } from "./support/mocks.ts";
import { asked, awaited, calls, ofType, payload, registered, request, run, site, STEPS } from "./support/program.ts";

describe("the program", () => {
  it("the program registers the same resources in a preview, where nothing is known yet", async () => {
    await run();
    const normal = registered.map(({ type, name }) => `${type} ${name}`).sort();
    await run({}, true);
    expect(registered.map(({ type, name }) => `${type} ${name}`).sort()).toEqual(normal);
  });

  it("the program attaches both policies to the application, the devices' first", async () => {
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

  it("the program admits any service token only if the setting says so", async () => {
    await run({ anyServiceToken: "true" });
    expect(find(registered, site("access-devices")).inputs["includes"]).toEqual([{ anyValidServiceToken: {} }]);
  });

  it("the program leaves the Service Auth policy out if there are no devices", async () => {
    await run({ devices: "[]" });
    expect(registered.filter(({ name }) => name === site("access-devices"))).toEqual([]);
    expect(find(registered, site("access-application")).inputs["policies"]).toEqual([
      { id: site("access-people-id"), precedence: 1 },
    ]);
  });

  it("the program applies the session's duration to the policy too, which would override it", async () => {
    await run({ sessionDuration: "12h" });
    expect(find(registered, site("access-application")).inputs["sessionDuration"]).toBe("12h");
    expect(find(registered, site("access-people")).inputs["sessionDuration"]).toBe("12h");
  });

  it("the program creates, adopts or leaves alone the login provider", async () => {
    await run();
    expect(find(registered, site("access-application")).inputs["allowedIdps"]).toEqual(["login-one-time-pin-id"]);
    const id = "699d98642c564d2e855e9661899b7252".replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    await run({ loginProvider: id });
    expect(ofType("ZeroTrustAccessIdentityProvider")).toEqual([]);
    expect(find(registered, site("access-application")).inputs["allowedIdps"]).toEqual([id]);
    await run({ loginProvider: "account" });
    expect(find(registered, site("access-application")).inputs).not.toHaveProperty("allowedIdps");
  });

  it("the program rotates one device's secret", async () => {
    await run({ deviceRotations: '{"frame":{"secretVersion":2,"previousSecretExpiresAt":"2026-12-01T00:00:00Z"}}' });
    expect(find(registered, site("access-token-frame")).inputs).toMatchObject({
      clientSecretVersion: 2,
      previousClientSecretExpiresAt: "2026-12-01T00:00:00Z",
    });
    expect(find(registered, site("access-token-annas-phone")).inputs).not.toHaveProperty("clientSecretVersion");
  });

  it("the program declares a proxied record for each address", async () => {
    await run();
    expect(
      ofType("DnsRecord").map(({ inputs }) => [inputs["type"], inputs["content"], inputs["proxied"], inputs["ttl"]]),
    ).toEqual([
      ["A", "203.0.113.10", true, 1],
      ["AAAA", "2001:db8::10", true, 1],
    ]);
  });

  it("the program declares one proxied CNAME for each name where the address moves", async () => {
    const moreSites = [
      { hostname: "album.example.com", immichUpstream: "127.0.0.1:2284", emails: ["bert@example.com"] },
    ];
    const shares = { publicShareHostname: "shares.example.com", publicShareUpstream: "127.0.0.1:3001" };
    const moving = { originName: "home.ddns.example.net", originAddresses: "[]" };
    await run({ ...moving, ...shares, moreSites: JSON.stringify(moreSites) });
    expect(
      ofType("DnsRecord")
        .map(({ name, inputs }) => [name, inputs["name"], inputs["type"], inputs["content"]])
        .sort(),
    ).toEqual(
      ["album.example.com", "photos.example.com", "shares.example.com"].map((name) => [
        `${name}-dns-cname`,
        name,
        "CNAME",
        "home.ddns.example.net",
      ]),
    );
    for (const { inputs } of ofType("DnsRecord")) expect(inputs).toMatchObject({ proxied: true, ttl: 1 });
  });

  it("the program sets Full (strict) and the zone settings that go with it", async () => {
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

  it("the program changes nothing in place for another host name, so the old one stays protected until it is deleted", async () => {
    await run();
    const before = registered;
    await run({ hostname: "album.example.com" });
    const kept = registered.filter(({ name }) => before.some((resource) => resource.name === name));
    expect(kept.map(({ name }) => name)).toContain("login-one-time-pin");
    for (const { name, inputs } of kept.filter(({ name }) => !STEPS.includes(name))) {
      expect(inputs, name).toEqual(find(before, name).inputs);
    }
    // A step leaves alone what it is not told about.
    for (const step of STEPS) expect(payload(step)["sites"], step).toEqual([asked(step, "album.example.com")]);
    const guards = ["DnsRecord", "ZeroTrustAccessApplication", "Command"].flatMap(ofType);
    for (const { name } of guards.filter(({ name }) => !STEPS.includes(name))) {
      expect(name).toMatch(/^album\.example\.com-/);
    }
  });

  it("the program names every child after its component", async () => {
    await run();
    for (const { type, name, parent } of registered.filter(({ parent }) => parent.includes("immich-access:index:"))) {
      expect(name.startsWith(`${parent.split("::").at(-1) ?? ""}-`), `${type} ${name}`).toBe(true);
    }
  });
});

describe("origin pulls", () => {
  it("origin pulls present a leaf of our own CA for the host name", async () => {
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
    expect(asked("certificates-command")).toMatchObject({ clientCa: "CA PEM" });
  });

  it("origin pulls present a leaf of our own CA for the whole zone", async () => {
    await run({ originPulls: "zone", originPullsKey: "ECDSA-P256" });
    expect(ofType("AuthenticatedOriginPullsCertificate")).toHaveLength(1);
    expect(find(registered, site("origin-pulls-zone")).inputs).toMatchObject({ enabled: true });
    expect(ofType("AuthenticatedOriginPulls")).toEqual([]);
  });

  it("origin pulls trust Cloudflare's published CA in the shared mode", async () => {
    await run({ originPulls: "shared" });
    expect(find(registered, site("origin-pulls-shared")).inputs).toMatchObject({
      settingId: "tls_client_auth",
      value: "on",
    });
    const pem = asked("certificates-command")?.["clientCa"] as string;
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
    expect(createHash("sha256").update(der).digest("hex")).toMatch(/^9a1ac2b4/);
    expect(ofType("SelfSignedCert")).toEqual([]);
  });
});

describe("the host's steps", () => {
  it("the host's steps get secrets on standard input only, and as secrets", async () => {
    await run();
    const steps = ofType("remote:Command");
    expect(new Set(steps.map(({ name }) => name))).toEqual(new Set([...STEPS, site("on-host-command")]));
    for (const { secrets, inputs } of steps) {
      expect(secrets).toEqual(expect.arrayContaining(["stdin", "connection"]));
      expect(JSON.stringify([inputs["create"], inputs["update"], inputs["delete"]])).not.toContain("KEY PEM");
      expect(inputs).not.toHaveProperty("triggers");
      expect(inputs["addPreviousOutputInEnv"]).toBe(false);
      for (const command of ["create", "update", "delete"]) {
        expect(String(inputs[command]).length).toBeLessThan(2000);
      }
      expect((inputs["connection"] as { hostKey: string }).hostKey).toMatch(/^ssh-ed25519 /);
    }
  });

  it("the host's steps get what each needs", async () => {
    await run();
    expect(payload("firewall-command")).toEqual({
      ranges: { ipv4: ["103.21.244.0/22", "198.41.128.0/17"], ipv6: ["2400:cb00::/32"] },
      owner: "immich-access/test/023e105f4ecef8ad9ca31a8372d0c353/",
      sites: [{ hostname: "photos.example.com", serves: "immich", upstream: "127.0.0.1:2283" }],
      sshPort: 22,
      homeNetworks: [],
      sshFrom: [],
      keepOpen: [],
      closeOthers: false,
      confirmSeconds: 120,
      originPort: 443,
    });
    expect(payload("certificates-command")).toEqual({
      after: "firewall change 1",
      sites: [
        {
          hostname: "photos.example.com",
          certificate: "ORIGIN PEM",
          privateKey: "KEY PEM",
          clientCa: "CA PEM",
        },
      ],
    });
    expect(payload("nginx-command")).toEqual({
      owner: "immich-access/test/023e105f4ecef8ad9ca31a8372d0c353/",
      after: `firewall change 1, certificates ${"c".repeat(64)} ${"a".repeat(64)}`,
      teamDomain: "team.cloudflareaccess.com",
      originPort: 443,
      sites: [{ hostname: "photos.example.com", serves: "immich", upstream: "127.0.0.1:2283", audience: "AUDIENCE" }],
    });
    expect(payload(site("on-host-command"))).toEqual({
      owner: "immich-access/test/023e105f4ecef8ad9ca31a8372d0c353/",
      hostname: "photos.example.com",
    });
  });

  it("the host's steps undo on deletion only what a site has there, and the firewall", async () => {
    await run();
    const undone = ofType("remote:Command").filter(({ inputs }) => inputs["delete"] !== undefined);
    expect(undone.map(({ name }) => name).sort()).toEqual(["firewall-command", site("on-host-command")]);
    const place = find(registered, site("on-host-command")).inputs;
    expect([place["create"], place["update"]]).toEqual([undefined, undefined]);
    // It removes the site from the host after the DNS records, and before Access.
    expect(awaited("nginx-command")).toContain(site("on-host-command"));
    const guards = [site("access-application"), site("origin-pulls-hostname"), "certificates-command"];
    for (const guard of [...guards, "firewall-command"]) {
      expect(awaited(site("on-host-command")), guard).toContain(guard);
    }
  });

  it("the host's steps leave the token check out if the setting says so", async () => {
    await run({ originJwtCheck: "false", teamDomain: "" });
    expect(asked("nginx-command")).toMatchObject({ audience: null });
  });

  it("the host's steps run again if the host's revision changes", async () => {
    await run({ hostRevision: "7" });
    for (const { inputs } of ofType("remote:Command")) {
      expect(request({ inputs })).toMatchObject({ revision: 7 });
      expect(inputs["connection"]).not.toHaveProperty("revision");
    }
  });

  it("the host's steps leave it to the host which address is its own", async () => {
    await run({ immichUpstream: "192.168.1.7:2283" });
    expect(asked("firewall-command")).toMatchObject({ upstream: "192.168.1.7:2283" });
  });

  it("the host's steps know the home networks, in one order", async () => {
    await run({ homeNetworks: '["192.168.1.0/24","100.64.0.0/10"]' });
    expect(payload("firewall-command")).toMatchObject({ homeNetworks: ["100.64.0.0/10", "192.168.1.0/24"] });
  });
});

describe("the network", () => {
  it("the program asks the network for the ranges only", async () => {
    await run();
    expect(calls).toEqual(["cloudflare:index/getIpRanges:getIpRanges"]);
    expect(RANGES.ipv4Cidrs).toHaveLength(2);
  });

  it("the program asks the network for nothing if the ranges are pinned", async () => {
    await run({ ipRanges: '["173.245.48.0/20","2400:cb00::/32"]' });
    expect(calls).toEqual([]);
    expect(payload("firewall-command")["ranges"]).toEqual({ ipv4: ["173.245.48.0/20"], ipv6: ["2400:cb00::/32"] });
  });
});

it("the program exports what a person needs, secrets as secrets", async () => {
  const program = await run();
  expect(await valueOf(program.url)).toBe("https://photos.example.com");
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
