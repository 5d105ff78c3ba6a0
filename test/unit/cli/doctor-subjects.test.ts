import { describe, expect, it } from "vitest";
import { ApiProblem, type ApiReader } from "../../../cli/doctor/cloudflare/api.ts";
import { examine } from "../../../cli/doctor/examine.ts";
import type { Finding } from "../../../cli/doctor/finding.ts";
import type { DoctorPayload } from "../../../components/origin-host/payload.ts";
import type { HostReport } from "../../../cli/doctor/host.ts";
import { parseDetour } from "../../../components/site-check/network.ts";
import { subjectsOf } from "../../../cli/doctor/subjects.ts";
import type { Outputs } from "../../../cli/lib/outputs.ts";
import { issue, newKey, selfSigned } from "../../../dev/sandbox/certificates/x509.ts";
import { checkSettings } from "../../../settings/check.ts";
import { GOOD, HOST_KEY } from "../support/configuration.ts";

// Which sites and hosts the doctor examines, and what of each. The checks themselves are faked here.

const PHOTOS = "photos.example.com";
const ALBUM = "album.example.com";
const SHARES = "shares.example.com";
const [FIRST, SECOND] = ["203.0.113.10", "203.0.113.20"];

function settingsWith(changes: Readonly<Record<string, string>>) {
  // Nothing answers there.
  const { values, problems } = checkSettings({ ...GOOD, apiUrl: "http://127.0.0.1:17999/client/v4", ...changes });
  if (!values) throw new Error(problems.join("\n"));
  return values;
}
const album = { hostname: ALBUM, immichUpstream: "127.0.0.1:2284", emails: ["bert@example.com"], devices: ["frame"] };
const second = {
  sshAddress: SECOND,
  sshHostKey: HOST_KEY,
  originAddresses: [SECOND],
  homeNetworks: ["192.168.1.0/24"],
  immichUpstream: "192.168.1.7:2283",
};
const one = settingsWith({ publicShareHostname: SHARES });
const several = settingsWith({
  publicShareHostname: SHARES,
  moreSites: JSON.stringify([album]),
  moreHosts: JSON.stringify([second]),
});

const device = (clientId: string) => ({ clientId, clientSecret: "secret", expiresAt: "2027-11-24T10:00:00Z" });
const outputs: Outputs = {
  url: `https://${PHOTOS}`,
  publicShareUrl: `https://${SHARES}`,
  audience: "photos-aud",
  devices: { "annas-phone": device("1.access"), frame: device("2.access") },
  moreSites: { [ALBUM]: { url: `https://${ALBUM}`, audience: "album-aud", devices: { frame: device("3.access") } } },
};

describe("subjects", () => {
  it("the doctor's findings need no names for one site on one host", () => {
    const { sites, shares, hosts } = subjectsOf(one, outputs);
    for (const { subject } of [...sites, ...shares, ...hosts]) expect(subject).toEqual({});
    expect(hosts[0]?.payload).toEqual({
      sshPort: 22,
      homeNetworks: [],
      sshFrom: [],
      keepOpen: [],
      confirmSeconds: 120,
      originPort: 443,
      sites: [
        {
          hostname: PHOTOS,
          serves: "immich",
          upstream: "127.0.0.1:2283",
          tokenCheck: true,
          audience: "photos-aud",
        },
        {
          hostname: SHARES,
          serves: "shares",
          upstream: "127.0.0.1:3000",
          tokenCheck: false,
          audience: null,
        },
      ],
    });
  });

  it("the doctor examines each site on each host", () => {
    const { sites, shares, hosts } = subjectsOf(several, outputs);
    expect([...sites, ...shares].map(({ subject }) => subject.site)).toEqual([PHOTOS, ALBUM, SHARES]);
    expect(hosts.map(({ subject, payload }) => [subject.host, payload.homeNetworks])).toEqual([
      [FIRST, []],
      [SECOND, ["192.168.1.0/24"]],
    ]);
    const told = hosts[1]?.payload.sites.map(({ hostname, upstream, audience }) => [hostname, upstream, audience]);
    expect(told).toEqual([
      [PHOTOS, "192.168.1.7:2283", "photos-aud"],
      [ALBUM, "127.0.0.1:2284", "album-aud"],
      [SHARES, "127.0.0.1:3000", null],
    ]);
    for (const { settings } of [...sites, ...shares]) {
      expect(settings.originAddresses).toEqual([FIRST, "2001:db8::10", SECOND]);
    }
    expect(sites[1]?.access).toMatchObject({ hostname: ALBUM, emails: album.emails, devices: { frame: "3.access" } });
  });
});

const ca = selfSigned({
  subject: [["CN", "CA"]],
  notBefore: new Date(Date.now() - 86_400_000),
  notAfter: new Date(Date.now() + 90 * 86_400_000),
});
const certificate = () =>
  issue(ca, {
    subject: [["CN", "site"]],
    publicKey: newKey("ec").publicKey,
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 80 * 86_400_000),
  });
const installed = certificate();

/** A host in order, except for another certificate of some sites. */
function reportOf({ sites }: DoctorPayload, others: Readonly<Record<string, string>> = {}): HostReport {
  const ok = { status: "ok" as const, says: "fine" };
  const names = ["firewall", "firewall-kernel", "firewall-change", "port-guard", "nginx", "token-check"];
  const facts = {
    time: Date.now() / 1000,
    ranges: { ipv4: [], ipv6: [] },
    busy: null,
    guardedPorts: [2283],
    refresh: null,
    addresses: [],
  };
  const of = (serves: string) => ["site", "guard", "certificate", "key", serves === "immich" ? "immich" : "proxy"];
  return {
    step: "doctor",
    revision: 0,
    host: "home",
    checks: Object.fromEntries([...names, "ranges", "timer", "agent"].map((name) => [name, ok])),
    sites: Object.fromEntries(
      sites.map(({ hostname, serves }) => [
        hostname,
        {
          checks: Object.fromEntries(of(serves).map((name) => [name, ok])),
          facts: { clientCa: ca.certificate, certificate: others[hostname] ?? installed },
        },
      ]),
    ),
    facts,
  };
}

/** An account that has next to nothing; notes what it is asked. */
function account(asked: string[]): ApiReader {
  const answer = (path: string): unknown => {
    asked.push(path);
    if (path.includes("/origin_tls_client_auth/hostnames/")) throw new ApiProblem(404, path, "not found");
    return path.startsWith("/certificates") ? [{ certificate: installed }] : path.includes("/access/") ? [] : {};
  };
  return {
    one: <T>(path: string) => Promise.resolve(path).then(answer) as Promise<T>,
    all: <T>(path: string) =>
      Promise.resolve(path).then((text) =>
        [answer(text)].flat().filter((item) => text.startsWith("/cert") && item),
      ) as Promise<T[]>,
  };
}

const nowhere = [PHOTOS, ALBUM, SHARES, FIRST, SECOND, "[2001:db8::10]"].map((name) =>
  parseDetour(`${name}::127.0.0.1:1`),
);

async function examined(
  settings: typeof several,
  others: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
) {
  const [asked, hosts]: [string[], string[]] = [[], []];
  const findings = await examine({
    settings,
    outputs,
    network: { detours: nowhere.filter((detour) => detour !== undefined), ca: undefined },
    api: account(asked),
    lookUp: () => Promise.reject(new Error("no name is looked up")),
    askHost: ({ sshAddress }, payload) => {
      hosts.push(sshAddress);
      return Promise.resolve(reportOf(payload, others[sshAddress]));
    },
  });
  return { findings, asked, hosts };
}
const named = ({ id, site = "", host = "" }: Finding) => [id, site, host].join(" ").trim();

describe("examinations", () => {
  it("an examination of one site on one host names neither", async () => {
    const { findings, hosts } = await examined(one);
    expect(findings.filter((finding) => "site" in finding || "host" in finding)).toEqual([]);
    expect(hosts).toEqual([FIRST]);
  });

  it("an examination looks once at the stack, each site, each host, and each site on each host", async () => {
    const { findings, asked, hosts } = await examined(several);
    expect(hosts).toEqual([FIRST, SECOND]);
    expect(asked.length).toBeGreaterThan(15);
    expect(asked.filter((path, place) => asked.indexOf(path) < place)).toEqual([]);
    const all = findings.map(named);
    expect(all.filter((name, place) => all.indexOf(name) < place)).toEqual([]);

    const kinds = (id: string) => findings.filter((finding) => finding.id === id).map(({ site, host }) => [site, host]);
    for (const id of ["stack", "workstation-clock", "api-token", "zone", "ssl-mode", "strict-tokens"]) {
      expect(kinds(id), id).toEqual([[undefined, undefined]]);
    }
    for (const id of [
      "visitor-certificate",
      "dns-record",
      "origin-pulls",
      "origin-certificate",
      "access-application",
      "stranger",
      "device-frame",
    ]) {
      expect(kinds(id), id).toEqual([PHOTOS, ALBUM].map((site) => [site, undefined]));
    }
    for (const id of ["direct", "host-firewall", "host-token-check", "ranges", "host-clock"]) {
      expect(kinds(id), id).toEqual([FIRST, SECOND].map((host) => [undefined, host]));
    }
    for (const id of ["host-site", "host-key", "host-immich"]) {
      expect(kinds(id), id).toEqual([FIRST, SECOND].flatMap((host) => [PHOTOS, ALBUM].map((site) => [site, host])));
    }
    expect(kinds("shares-host-proxy")).toEqual([FIRST, SECOND].map((host) => [SHARES, host]));
    for (const id of ["shares-visitor-certificate", "shares-dns-record", "shares-origin-pulls", "shares-pages"]) {
      expect(kinds(id), id).toEqual([[SHARES, undefined]]);
    }
  });

  it("an examination names the host whose certificate differs from the others'", async () => {
    const { findings } = await examined(several, { [SECOND]: { [ALBUM]: certificate() } });
    const told = findings.filter(({ id }) => id === "origin-certificate");
    expect(told.map(({ site, host, status }) => [site, host, status])).toEqual([
      [PHOTOS, undefined, "ok"],
      [ALBUM, FIRST, "ok"],
      [ALBUM, SECOND, "wrong"],
    ]);
  });

  it("an examination looks once at origin pulls for the whole zone", async () => {
    const { findings } = await examined({ ...several, originPulls: "zone" });
    expect(findings.filter(({ id }) => id.includes("origin-pulls")).map(named)).toEqual(["origin-pulls"]);
  });
});
