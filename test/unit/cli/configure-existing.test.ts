import { describe, expect, it } from "vitest";
import { proposedUpstream } from "../../../cli/configure/configure.ts";
import { matchApplications, matchCertificates, matchRecords } from "../../../cli/configure/existing.ts";
import { recordsOf } from "../../../components/dns-records.ts";
import { PERMISSIONS, TOKEN_FORM } from "../../../cli/configure/token.ts";

const record = (id: string, type: string, content: string) => ({
  id,
  name: "photos.example.com",
  type,
  content,
  proxied: true,
});

const wanted = (...addresses: string[]) => recordsOf({ addresses });

describe("existing records", () => {
  it("existing records are matched to addresses of the same content first, then of the same type", () => {
    const one = record("1", "A", "203.0.113.1");
    const other = record("2", "A", "203.0.113.2");
    expect(matchRecords([one, other], wanted("203.0.113.9", "203.0.113.1"))).toEqual({
      adoptions: [
        { wanted: { type: "A", content: "203.0.113.9" }, record: other },
        { wanted: { type: "A", content: "203.0.113.1" }, record: one },
      ],
      rest: [],
    });
  });

  it("existing records stay if no address has their type", () => {
    const name = record("1", "CNAME", "tunnel.example.net");
    const six = record("2", "AAAA", "2001:db8::1");
    const note = record("3", "TXT", "hello");
    expect(matchRecords([name, six, note], wanted("203.0.113.1"))).toEqual({ adoptions: [], rest: [name, six] });
  });

  it("an existing CNAME becomes that of a moving address, unless it is a tunnel's", () => {
    const name = record("1", "CNAME", "old.ddns.example.net");
    const four = record("2", "A", "203.0.113.1");
    const target = recordsOf({ name: "home.ddns.example.net" });
    expect(matchRecords([four, name], target)).toEqual({
      adoptions: [{ wanted: target[0], record: name }],
      rest: [four],
    });
    const tunnel = record("3", "CNAME", "0b1c.cfargotunnel.com");
    expect(matchRecords([tunnel], target)).toEqual({ adoptions: [], rest: [tunnel] });
  });
});

describe("existing applications", () => {
  const application = (id: string, uri: string) => ({ id, aud: "", name: id, destinations: [{ type: "public", uri }] });

  it("existing applications are told apart by what they protect", () => {
    const same = application("same", "photos.example.com/");
    const below = application("below", "photos.example.com/share");
    const others = [application("zone", "*.example.com"), application("other", "photos.example.com.au")];
    expect(matchApplications([...others, same, below], "photos.example.com")).toEqual({ same: [same], below: [below] });
  });
});

it("configure finds certificates for the name and for the wildcard above it", () => {
  const issued = (...hostnames: string[]) => ({ id: hostnames.join(), certificate: "", hostnames, expires_on: "" });
  const fitting = [issued("photos.example.com"), issued("*.example.com", "example.com")];
  expect(matchCertificates([...fitting, issued("example.com")], "photos.example.com")).toEqual(fitting);
});

it("configure proposes what is set for the main site's Immich, and no further site's", () => {
  const album = { immichUpstream: "127.0.0.1:2284" };
  const proposed = (immich: string[], present?: string) => proposedUpstream({ immich }, present, [album]);
  expect(proposed(["127.0.0.1:2283", "127.0.0.1:2285"])).toBe("127.0.0.1:2283");
  expect(proposed(["127.0.0.1:2283", "127.0.0.1:2285"], "127.0.0.1:2285")).toBe("127.0.0.1:2285");
  expect(proposed(["127.0.0.1:2284", "127.0.0.1:2285"], "127.0.0.1:2283")).toBe("127.0.0.1:2285");
  expect(proposed(["127.0.0.1:2284"], "127.0.0.1:2283")).toBe("127.0.0.1:2283");
  expect(proposed(["127.0.0.1:2284"], "127.0.0.1:2284")).toBe("127.0.0.1:2284");
});

it("configure links to a form with every permission that has a documented key", () => {
  const keys = JSON.parse(new URL(TOKEN_FORM).searchParams.get("permissionGroupKeys") ?? "") as { key: string }[];
  expect(keys.map(({ key }) => key)).toEqual(["zone", ...PERMISSIONS.flatMap(({ key }) => key ?? [])]);
  expect(PERMISSIONS.filter(({ key }) => key === undefined)).toHaveLength(1);
});
