// The name that a moving address has: what the doctor and configure make of what it resolves to.

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { askOrigin, looksLikeHome, type OriginFacts } from "../../../cli/configure/origin.ts";
import { Dialogue, type Flags } from "../../../cli/configure/dialogue.ts";
import { originNameFinding } from "../../../cli/doctor/origin-name.ts";
import { lookUpAt, parseResolver, type PublicName } from "../../../cli/lib/public-name.ts";

const NAME = "home.ddns.example";
const found = (change: Partial<PublicName> = {}): PublicName => ({
  addresses: ["203.0.113.10"],
  alias: undefined,
  nameServers: ["ns1.ddns.example"],
  ...change,
});

describe("the doctor on the origin's name", () => {
  const told = (change: Partial<PublicName>, hostAddresses: string[] = [], name = NAME) => {
    const { status, says } = originNameFinding({ name, found: found(change), zoneName: "example.com", hostAddresses });
    return `${status}: ${says}`;
  };
  const cloudflare = { nameServers: ["ada.ns.cloudflare.com"] };

  it.each<[string, string, RegExp]>([
    ["with nobody to ask", told({ addresses: undefined }), /^unknown: no resolver answers$/],
    ["that does not resolve", told({ addresses: [] }), /^wrong: home\.ddns\.example does not resolve$/],
    ["of a home", told({}), /^ok: home\.ddns\.example leads to 203\.0\.113\.10; behind a router/],
    ["where the host is", told({}, ["203.0.113.10"]), /^ok: home\.ddns\.example leads to 203\.0\.113\.10$/],
    ["that is out of date", told({}, ["203.0.113.99"]), /^wrong: .* but the host is at 203\.0\.113\.99$/],
    ["where only another version is known", told({}, ["2001:db8::1"]), /^ok: /],
    ["in another form", told({ addresses: ["2001:DB8:0::1"] }, ["2001:db8::1"]), /^ok: /],
    ["that is an alias", told({ alias: "x.myfritz.net" }), /\(an alias of x\.myfritz\.net\)/],
    ["at home", told({ addresses: ["192.168.1.5"] }), /^wrong: .*where Cloudflare cannot reach it$/],
    ["behind CGNAT", told({ addresses: ["100.70.1.2"] }), /^wrong: home\.ddns\.example leads to 100\.70\.1\.2$/],
    ["in another zone on Cloudflare", told(cloudflare), /^warning: .*error 1014/],
    ["in the stack's own zone", told(cloudflare, [], "home.example.com"), /^ok: /],
  ])("judges one %s", (_, said, expected) => {
    expect(said).toMatch(expected);
  });

  it("says that no port can be forwarded behind CGNAT", () => {
    const shared = found({ addresses: ["100.70.1.2"] });
    const { fix } = originNameFinding({ name: NAME, found: shared, zoneName: undefined, hostAddresses: [] });
    expect(fix).toContain("no port can be forwarded");
  });
});

describe("configure", () => {
  class Listening extends Dialogue {
    public readonly said: string[] = [];
    public override say(text: string): void {
      this.said.push(text);
    }
    public override warn(text: string): void {
      this.said.push(`warning: ${text}`);
    }
  }
  const ask = async (flags: Flags, change: Partial<OriginFacts> = {}, name: Partial<PublicName> = {}) => {
    const dialogue = new Listening(flags, false);
    const origin = await askOrigin(dialogue, {
      addresses: ["203.0.113.10"],
      name: undefined,
      survey: { addresses: ["192.168.1.5"] },
      sshAddress: "192.168.1.5",
      zoneName: "example.com",
      sites: ["photos.example.com"],
      hosts: 1,
      lookUp: () => Promise.resolve(found(name)),
      ...change,
    });
    return { ...origin, said: dialogue.said.join("\n") };
  };

  it("takes the addresses where nobody says that they move, and says what it sees", async () => {
    const { said, ...origin } = await ask({});
    expect(origin).toEqual({ originAddresses: ["203.0.113.10"], originName: "" });
    expect(said).toContain("private addresses only");
  });

  it("takes a name in place of addresses, and keeps it until addresses are given", async () => {
    const byName = { originAddresses: [], originName: NAME };
    expect(await ask({ "origin-name": NAME })).toMatchObject(byName);
    expect(await ask({}, { name: NAME })).toMatchObject(byName);
    expect(await ask({ address: ["203.0.113.20"] }, { name: NAME })).toMatchObject({
      originAddresses: ["203.0.113.20"],
      originName: "",
    });
  });

  it("refuses a name that leads nowhere, behind CGNAT, or back to the site", async () => {
    const flags = { "origin-name": NAME };
    await expect(ask(flags, {}, { addresses: [] })).rejects.toThrow("does not resolve");
    await expect(ask(flags, {}, { addresses: ["100.64.1.1"] })).rejects.toThrow("no port can be forwarded");
    await expect(ask({ "origin-name": "photos.example.com" })).rejects.toThrow("photos.example.com itself");
    await expect(ask({ "origin-name": "203.0.113.10" })).rejects.toThrow("is an address");
  });

  it("warns of error 1014, and that a name of the own zone shows the home's address", async () => {
    const cloudflare = { nameServers: ["ada.ns.cloudflare.com"] };
    expect((await ask({ "origin-name": NAME }, {}, cloudflare)).said).toContain("error 1014");
    const own = await ask({ "origin-name": "home.example.com" }, {}, cloudflare);
    expect(own.said).not.toContain("1014");
    expect(own.said).toContain("shows your home's address");
    expect((await ask({ "origin-name": NAME }, {}, { addresses: ["192.168.1.5"] })).said).toContain("--resolver");
  });

  it("tells a home from a server by the host's addresses and by SSH's", () => {
    const home = (addresses: string[], sshAddress: string) => looksLikeHome({ survey: { addresses }, sshAddress });
    expect(home(["192.168.1.5", "2001:db8::1"], "home.lan")).toBe(true);
    expect(home(["203.0.113.10"], "203.0.113.10")).toBe(false);
    expect(home(["203.0.113.10", "10.0.0.2"], "server.example.com")).toBe(false);
    // Over a VPN, for instance.
    expect(home(["203.0.113.10"], "10.0.0.2")).toBe(false);
    expect(home([], "10.0.0.2")).toBe(true);
    expect(home([], "server.example.com")).toBe(false);
  });
});

describe("a look-up", () => {
  let server: Socket | undefined;
  afterEach(() => {
    server?.close();
    server = undefined;
  });

  /** A DNS server (RFC 1035) that knows one A record and one name server, and nothing else. */
  async function startServer(): Promise<string> {
    const socket = createSocket("udp4");
    server = socket;
    socket.on("message", (query, { port, address }) => {
      const question = query.subarray(12, query.indexOf(0, 12) + 5);
      const type = question.readUInt16BE(question.length - 4);
      const labels: string[] = [];
      for (let at = 0; question[at]; at += 1 + question[at]!) {
        labels.push(question.subarray(at + 1, at + 1 + question[at]!).toString());
      }
      const data = ANSWERS[`${type} ${labels.join(".")}`];
      const header = Buffer.from(query.subarray(0, 12));
      header.writeUInt16BE(0x8180, 2);
      header.writeUInt16BE(data ? 1 : 0, 6);
      header.writeUInt32BE(0, 8);
      const answer = data
        ? Buffer.concat([Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length]), data])
        : "";
      socket.send(Buffer.concat([header, question, Buffer.from(answer)]), port, address);
    });
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return `127.0.0.1:${socket.address().port.toString()}`;
  }
  const wire = (name: string) =>
    Buffer.concat([
      ...name.split(".").map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`)),
      Buffer.from([0]),
    ]);
  const ANSWERS: Readonly<Record<string, Buffer>> = {
    [`1 ${NAME}`]: Buffer.from([203, 0, 113, 10]),
    ["2 ddns.example"]: wire("Ada.ns.cloudflare.com"),
  };

  it("asks the server that is named for the addresses and for the name servers of the closest zone", async () => {
    const lookUp = lookUpAt(parseResolver(await startServer()));
    expect(await lookUp(NAME)).toEqual(found({ nameServers: ["ada.ns.cloudflare.com"] }));
    expect(await lookUp("nobody.example")).toEqual({ addresses: [], alias: undefined, nameServers: [] });
  });

  it("takes only the address of a server", () => {
    for (const good of ["1.1.1.1", "1.1.1.1:5353", "2606:4700:4700::1111", "[::1]:53"]) {
      expect(parseResolver(good)).toBe(good);
    }
    for (const bad of ["dns.example.net", "1.1.1", "[1]:53"]) expect(() => parseResolver(bad)).toThrow("--resolver");
  });
});
