import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { HOST_KEY } from "./support/configuration.ts";
import { find, valueOf, type Registered } from "./support/mocks.ts";
import { asked, awaited, ofType, payload, registered, run, site, STEPS } from "./support/program.ts";

/** Resources with their inputs, without the steps, which are for all sites of a host. */
const shapes = (resources: readonly Registered[]) =>
  resources
    .filter(({ name }) => !STEPS.includes(name))
    .map(({ type, name, inputs }) => `${type} ${name} ${JSON.stringify(inputs)}`)
    .sort();

/** Resources of which each waits for those before it, also when only these are left to be removed. */
function expectChain(order: readonly string[], among: (name: string) => boolean): void {
  for (const [index, name] of order.entries()) {
    const found = [...awaited(name, among)].filter((one) => order.includes(one));
    expect(found.sort(), name).toEqual(order.slice(0, index).sort());
  }
}

describe("more sites", () => {
  const ALBUM = {
    hostname: "album.example.com",
    immichUpstream: "127.0.0.1:2284",
    emails: ["bert@example.com"],
    devices: ["berts-phone"],
  };
  const MORE = { moreSites: JSON.stringify([ALBUM]) };
  const album = (part: string) => `album.example.com-${part}`;

  it("more sites have all that a site has, under their own name, and change nothing of the main one", async () => {
    await run();
    const before = registered;
    await run(MORE);
    const kept = registered.filter(({ name }) => before.some((resource) => resource.name === name));
    expect(shapes(kept)).toEqual(shapes(before));
    const own = (all: readonly Registered[], prefix: string) =>
      all.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name.slice(prefix.length));
    expect(own(registered, album("")).sort()).toEqual(
      own(before, site(""))
        .filter((name) => name !== "access-token-frame")
        .map((name) => name.replace("annas-phone", "berts-phone"))
        .sort(),
    );
    expect(registered.length - kept.length).toBe(own(registered, album("")).length);
  });

  it("more sites admit their own people and devices", async () => {
    await run(MORE);
    expect(find(registered, album("access-people")).inputs["includes"]).toEqual([
      { email: { email: "bert@example.com" } },
    ]);
    expect(find(registered, album("access-devices")).inputs["includes"]).toEqual([
      { serviceToken: { tokenId: album("access-token-berts-phone-id") } },
    ]);
    expect(find(registered, album("access-application")).inputs["domain"]).toBe(ALBUM.hostname);
  });

  it("more sites are put on the host by the same steps", async () => {
    await run(MORE);
    const deleting = [site("on-host-command"), album("on-host-command")];
    expect(
      ofType("remote:Command")
        .map(({ name }) => name)
        .sort(),
    ).toEqual([...STEPS, ...deleting].sort());
    for (const step of STEPS) {
      const sites = payload(step)["sites"] as { hostname: string }[];
      expect(sites.map((one) => one.hostname)).toEqual(["photos.example.com", ALBUM.hostname]);
    }
    expect(asked("firewall-command", ALBUM.hostname)).toMatchObject({ upstream: "127.0.0.1:2284" });
    expect(asked("nginx-command", ALBUM.hostname)).toMatchObject({ upstream: "127.0.0.1:2284", audience: "AUDIENCE" });
  });

  it("more sites go online when every site is protected", async () => {
    for (const changes of [MORE, { ...MORE, originJwtCheck: "false" }]) {
      await run(changes);
      const applications = [site("access-application"), album("access-application")];
      expect([...awaited("nginx-command")]).toEqual(expect.arrayContaining(applications));
      for (const name of [site, album].map((part) => part("dns-a-203-0-113-10"))) {
        expect([...awaited(name)]).toEqual(expect.arrayContaining([...applications, "nginx-command"]));
      }
    }
  });

  it("more sites are deleted alone in the reverse order", async () => {
    await run(MORE);
    const order = ["origin-pulls-hostname", "access-application", "on-host-command", "dns-a-203-0-113-10"].map(album);
    expectChain(order, (name) => name.startsWith(ALBUM.hostname));
  });

  it("more sites have outputs of their own, secrets as secrets", async () => {
    const { url, moreSites } = await run(MORE);
    expect(await valueOf(url)).toBe("https://photos.example.com");
    expect(Object.keys(moreSites)).toEqual([ALBUM.hostname]);
    const told = moreSites[ALBUM.hostname];
    expect(told?.url).toBe("https://album.example.com");
    expect(Object.keys(told?.tokenExpiry ?? {})).toEqual(["berts-phone"]);
    expect(told && (await pulumi.isSecret(told.devices))).toBe(true);
    expect(told && Object.keys(await valueOf(told.devices))).toEqual(["berts-phone"]);
  });
});

describe("more hosts", () => {
  const SECOND = {
    sshAddress: "203.0.113.20",
    sshHostKey: HOST_KEY,
    originAddresses: ["203.0.113.20"],
    immichUpstream: "192.168.1.7:2283",
  };
  const MORE = { moreHosts: JSON.stringify([SECOND]) };
  const second = (part: string) => `203.0.113.20-${part}`;

  it("more hosts serve the site like the main one, each with an Immich of its own", async () => {
    await run();
    const before = registered;
    await run(MORE);
    const added = ofType("remote:Command").filter(({ name }) => !before.some((resource) => resource.name === name));
    expect(added.map(({ name }) => name).sort()).toEqual(
      [...STEPS, site("on-host-command")]
        .map((name) => (name.startsWith("photos.") ? site(second("on-host-command")) : second(name)))
        .sort(),
    );
    for (const { inputs } of added) expect(inputs["connection"]).toMatchObject({ host: SECOND.sshAddress, port: 22 });
    expect(payload(second("certificates-command"))).toEqual(payload("certificates-command"));
    const owner = "immich-access/test/023e105f4ecef8ad9ca31a8372d0c353/203.0.113.20";
    expect(payload(second("firewall-command"))).toMatchObject({ owner });
    expect(payload(site(second("on-host-command")))).toEqual({ owner, hostname: "photos.example.com" });
    expect(asked(second("nginx-command"))).toMatchObject({ upstream: SECOND.immichUpstream });
    expect(asked(second("firewall-command"))).toMatchObject({ upstream: SECOND.immichUpstream });
    expect(asked("nginx-command")).toMatchObject({ upstream: "127.0.0.1:2283" });
  });

  it("more hosts get a record for each of their addresses, after all hosts are ready", async () => {
    await run(MORE);
    const records = ofType("DnsRecord");
    expect(records.map(({ inputs }) => inputs["content"])).toEqual(["203.0.113.10", "2001:db8::10", "203.0.113.20"]);
    for (const { name } of records) {
      expect([...awaited(name)], name).toEqual(expect.arrayContaining(["nginx-command", second("nginx-command")]));
    }
  });

  it("more hosts are deleted alone in the reverse order, also with public shares on them", async () => {
    await run({ ...MORE, originJwtCheck: "false", publicShareHostname: "shares.example.com" });
    for (const part of [site, (name: string) => `shares.example.com-${name}`]) {
      const order = [second("firewall-command"), part(second("on-host-command")), part("dns-a-203-0-113-20")];
      expectChain(order, (name) => /203[-.]0[-.]113[-.]20/.test(name));
    }
  });

  it("more hosts get their certificates one after the other, before any of them gets Cloudflare's client certificate", async () => {
    await run(MORE);
    expect(awaited(second("certificates-command"))).toContain("certificates-command");
    expect(awaited(site("origin-pulls-hostname"))).toContain(second("certificates-command"));
    for (const nginx of ["nginx-command", second("nginx-command")]) {
      expect(awaited(nginx)).toContain(site("origin-pulls-hostname"));
    }
  });
});

describe("public shares", () => {
  const SHARES = { publicShareHostname: "shares.example.com", publicShareUpstream: "127.0.0.1:3001" };
  const shares = (part: string) => `shares.example.com-${part}`;

  it("public shares are not declared without a host name", async () => {
    const program = await run();
    expect(registered.filter(({ type, name }) => /share/i.test(type + name))).toEqual([]);
    expect(Object.keys(program)).not.toContain("publicShareUrl");
  });

  it("public shares add a site with its name in all its resources, and change nothing of the main one", async () => {
    await run();
    const before = registered;
    const program = await run(SHARES);
    expect(program.publicShareUrl).toBe("https://shares.example.com");
    const kept = registered.filter(({ name }) => before.some((resource) => resource.name === name));
    expect(shapes(kept)).toEqual(shapes(before));
    expect(ofType("remote:Command")).toHaveLength(STEPS.length + 2);
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
    const name = "shares.example.com";
    expect(asked("firewall-command", name)).toEqual({ hostname: name, serves: "shares", upstream: "127.0.0.1:3001" });
    expect(asked("certificates-command", name)).toMatchObject({ hostname: name, certificate: "ORIGIN PEM" });
    expect(asked("nginx-command", name)).toEqual({
      hostname: name,
      serves: "shares",
      upstream: "127.0.0.1:3001",
      audience: null,
    });
  });

  it("public shares get their records after the main site is protected, and after all else of their own", async () => {
    for (const changes of [SHARES, { ...SHARES, originJwtCheck: "false" }]) {
      await run(changes);
      const order = [
        "certificates-command",
        shares("origin-pulls-hostname"),
        shares("on-host-command"),
        "nginx-command",
        shares("dns-a-203-0-113-10"),
      ];
      expectChain(order, () => true);
      expect(awaited("nginx-command")).toContain(site("access-application"));
      // It can go alone.
      expectChain(
        order.filter((name) => name.startsWith(shares(""))),
        (name) => name.startsWith("shares."),
      );
      const ownRecords = [...awaited(site("dns-a-203-0-113-10"))].filter((name) => name.startsWith(shares("dns")));
      expect(ownRecords).toEqual([]);
    }
  });

  it("public shares are covered by origin pulls for the whole zone", async () => {
    for (const originPulls of ["zone", "shared"]) {
      await run({ ...SHARES, originPulls });
      expect(registered.filter(({ name }) => name.startsWith(shares("origin-pulls")))).toEqual([]);
      const name = "certificates-command";
      expect(asked(name, "shares.example.com")?.["clientCa"]).toBe(asked(name)?.["clientCa"]);
    }
  });
});
