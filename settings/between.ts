import { isHostname, isLoopback, parseEndpoint, sameEndpoint } from "./network.ts";
import { MAX_DEVICES, type SettingKey as Key } from "./schema.ts";

type Raw = Readonly<Record<string, unknown>>;

/** A problem that lies in no setting alone. */
export interface CrossProblem {
  /** The setting whose fix is to be shown. */
  key: Key;
  /** Where it lies; default: the setting as a whole. */
  where?: string;
  message: string;
}

/**
 * Problems between settings. It takes the configuration as it was read, so that these are reported together with the
 * problems inside single settings.
 */
export function crossProblems(raw: Raw): CrossProblem[] {
  const problems: CrossProblem[] = [];
  if (raw["originJwtCheck"] === true && raw["teamDomain"] === "") {
    problems.push({ key: "teamDomain", message: "is missing; originJwtCheck needs it" });
  }
  if (raw["originPullsCa"] !== "" && raw["originPullsCa"] !== undefined && raw["originPulls"] !== "shared") {
    problems.push({ key: "originPullsCa", message: "is only for originPulls shared" });
  }
  const sites = parts(raw, "moreSites");
  const hosts = parts(raw, "moreHosts");
  return [
    ...problems,
    ...sites.flatMap((site) => siteProblems(site, raw)),
    ...repeated(sites, "hostname", "is the host name of another site, too"),
    ...tooManyDevices(sites),
    ...hosts.flatMap((host) => hostProblems(host, sites)),
    ...repeated(hosts, "sshAddress", "is the address of another host, too"),
    ...repeatedAddresses(hosts),
    ...publicShareProblems(raw, sites, hosts),
  ];
}

/** The settings of a site or a host, and how to name one of them. */
interface Part {
  raw: Raw;
  /** Names one of its settings, with the setting whose fix is to be shown. */
  at: (setting: Key) => { key: Key; where?: string };
}

/** The main site or host, whose settings lie at the top, and those of a list. */
function parts(raw: Raw, list: "moreSites" | "moreHosts"): Part[] {
  const more = listOf(raw, list).filter((item): item is Raw => typeof item === "object" && item !== null);
  return [
    { raw, at: (key) => ({ key }) },
    ...more.map((item, index): Part => ({
      raw: item,
      at: (setting) => ({ key: list, where: `${list}.${index.toString()}.${setting}` }),
    })),
  ];
}

const listOf = (raw: Raw, key: string): unknown[] => (Array.isArray(raw[key]) ? raw[key] : []);
const textOf = (raw: Raw, key: Key): string => (typeof raw[key] === "string" ? raw[key] : "");

function siteProblems({ raw: site, at }: Part, raw: Raw): CrossProblem[] {
  const devices = listOf(site, "devices");
  const rotations = site["deviceRotations"];
  const rotated = typeof rotations === "object" ? Object.keys(rotations ?? {}) : [];
  const problems: CrossProblem[] = rotated
    .filter((device) => !devices.includes(device))
    .map((device) => ({ ...at("deviceRotations"), message: `rotates «${device}», which is not among devices` }));
  if (listOf(site, "emails").length + listOf(site, "emailDomains").length === 0) {
    const message = "names nobody, and neither does emailDomains: then nobody could log in";
    problems.push({ ...at("emails"), message });
  }
  const upstream = parseEndpoint(textOf(site, "immichUpstream"));
  if (raw["dockerPublishedPort"] === "drop" && upstream && !isLoopback(upstream.host)) {
    problems.push({ key: "dockerPublishedPort", message: "is only for an Immich on the host itself (immichUpstream)" });
  }
  if (site !== raw && otherZone(textOf(site, "hostname"), textOf(raw, "hostname"))) {
    problems.push({ ...at("hostname"), message: `does not lie in the zone of ${textOf(raw, "hostname")}` });
  }
  return problems;
}

function hostProblems({ raw: host, at }: Part, sites: readonly Part[]): CrossProblem[] {
  const address = textOf(host, "sshAddress");
  if (address === "" || !sites.some((site) => textOf(site.raw, "hostname") === address)) return [];
  const message =
    "is the proxied host name, which Cloudflare answers and SSH does not pass; use the host's own address";
  return [{ ...at("sshAddress"), message }];
}

/** Those whose setting another one before them has as well. */
function repeated(all: readonly Part[], key: Key, message: string): CrossProblem[] {
  const values = all.map(({ raw }) => textOf(raw, key));
  return all
    .filter((_, place) => values[place] !== "" && values.indexOf(values[place] ?? "") < place)
    .map(({ at }) => ({ ...at(key), message }));
}

function repeatedAddresses(hosts: readonly Part[]): CrossProblem[] {
  const seen = new Set<unknown>();
  return hosts.flatMap(({ raw, at }) => {
    const addresses = listOf(raw, "originAddresses");
    const problems = addresses
      .filter((address) => seen.has(address))
      .map((address) => ({ ...at("originAddresses"), message: `has ${String(address)}, as another host has` }));
    for (const address of addresses) seen.add(address);
    return problems;
  });
}

/** What the limit of one site leaves open where there are several. */
function tooManyDevices(sites: readonly Part[]): CrossProblem[] {
  const count = sites.reduce((sum, { raw }) => sum + listOf(raw, "devices").length, 0);
  if (sites.length === 1 || count <= MAX_DEVICES) return [];
  const message = `makes ${count.toString()} devices in all, and an account may have ${MAX_DEVICES.toString()} service tokens`;
  return [{ key: "moreSites", message }];
}

/** Whether two host names lie in different zones, as far as their forms tell: a zone's name has two labels or more. */
function otherZone(one: string, other: string): boolean {
  if (!isHostname(one, 2) || !isHostname(other, 2)) return false;
  const domain = (full: string) => full.split(".").slice(-2).join(".");
  return domain(one) !== domain(other);
}

/** Problems of public shares with other settings; none while they are off. */
function publicShareProblems(raw: Raw, sites: readonly Part[], hosts: readonly Part[]): CrossProblem[] {
  const [name, hostname] = [textOf(raw, "publicShareHostname"), textOf(raw, "hostname")];
  if (name === "") return [];
  const problems: CrossProblem[] = [];
  if (sites.some((site) => textOf(site.raw, "hostname") === name)) {
    problems.push({ key: "publicShareHostname", message: "is the site's own host name; public shares need another" });
  } else if (otherZone(name, hostname)) {
    problems.push({ key: "publicShareHostname", message: `does not lie in the zone of ${hostname}` });
  }
  const message = "is the proxied publicShareHostname, which SSH does not pass; use the host's own address";
  const proxied = hosts.filter((host) => textOf(host.raw, "sshAddress") === name);
  problems.push(...proxied.map(({ at }) => ({ ...at("sshAddress"), message })));
  const immichs = [...sites, ...hosts.slice(1)].map((part) => textOf(part.raw, "immichUpstream"));
  if (immichs.some((upstream) => sameEndpoint(textOf(raw, "publicShareUpstream"), upstream))) {
    problems.push({
      key: "publicShareUpstream",
      message: "is Immich itself (immichUpstream), which would be public; give the address of immich-public-proxy",
    });
  }
  return problems;
}
