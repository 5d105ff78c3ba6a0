import { endings, isNotificationTypes, selected } from "./notifications.ts";
import { isHostname, isLoopback, parseEndpoint, sameEndpoint } from "./network.ts";
import { MAX_DEVICES, type SettingKey as Key } from "./schema.ts";
import { isProtected, privateKeyProblem } from "./ssh.ts";
import { HTTPS_PORT } from "./topology.ts";

type Raw = Readonly<Record<string, unknown>>;

/** A problem between two settings. */
export interface CrossProblem {
  /** The setting whose fix is shown. */
  key: Key;
  /** Path of the value; default: the setting as a whole. */
  where?: string;
  message: string;
}

/**
 * Finds problems between settings. It takes the unchecked configuration, so that these problems are reported together
 * with those of single settings.
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
    ...repeatedProblems(sites, "hostname", "is also the host name of another site"),
    ...tooManyDevices(sites),
    ...hosts.flatMap((host) => hostProblems(host, sites)),
    ...repeatedProblems(hosts, "sshAddress", "is also the address of another host"),
    ...repeatedAddresses(hosts),
    ...originProblems(raw, sites),
    ...publicShareProblems(raw, sites, hosts),
    ...originPortProblems(raw, sites, hosts),
    ...loginProblems(raw),
    ...notificationProblems(raw, sites),
  ];
}

/** The settings of a site or a host. */
interface Part {
  raw: Raw;
  /** The path of one of its settings, and the setting whose fix is shown. */
  at: (setting: Key) => { key: Key; where?: string };
}

/** The main site or host, whose settings are at the top level, then those of a list. */
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
    const message = "names nobody, and neither does emailDomains: nobody could log in";
    problems.push({ ...at("emails"), message });
  }
  if (site !== raw && otherZone(textOf(site, "hostname"), textOf(raw, "hostname"))) {
    problems.push({ ...at("hostname"), message: `is not in the zone of ${textOf(raw, "hostname")}` });
  }
  return problems;
}

function hostProblems({ raw: host, at }: Part, sites: readonly Part[]): CrossProblem[] {
  const address = textOf(host, "sshAddress");
  if (address === "" || !sites.some((site) => textOf(site.raw, "hostname") === address)) return [];
  const message = "is the proxied host name, and Cloudflare does not proxy SSH; use the host's own address";
  return [{ ...at("sshAddress"), message }];
}

/** Reports each site or host that repeats the setting of an earlier one. */
function repeatedProblems(all: readonly Part[], key: Key, message: string): CrossProblem[] {
  const values = all.map(({ raw }) => textOf(raw, key));
  return all
    .filter((_, place) => values[place] !== "" && values.indexOf(values[place] ?? "") < place)
    .map(({ at }) => ({ ...at(key), message }));
}

/** Problems with where the main host is: its addresses or its name, and exactly one of the two. */
function originProblems(raw: Raw, sites: readonly Part[]): CrossProblem[] {
  const [name, addresses] = [textOf(raw, "originName"), raw["originAddresses"]];
  const isWithout = Array.isArray(addresses) && addresses.length === 0;
  if (name === "") {
    const message = "needs at least one public address of the host; or, where it changes, set originName";
    return isWithout ? [{ key: "originAddresses", message }] : [];
  }
  const problems: string[] = [];
  if (Array.isArray(addresses) && addresses.length > 0) {
    problems.push("is set beside originAddresses, and a site has one or the other: pulumi config rm originAddresses");
  }
  if (listOf(raw, "moreHosts").length > 0) {
    problems.push("is for a single host, because a name has only one CNAME record; moreHosts needs originAddresses");
  }
  for (const site of [...sites.map(({ raw: one }) => textOf(one, "hostname")), textOf(raw, "publicShareHostname")]) {
    if (site === "") continue;
    if (name === site) problems.push(`is ${site} itself, which would then lead to itself`);
    else if (name.endsWith(`.${site}`))
      problems.push(`lies under ${site}; take a name beside it, or of another domain`);
  }
  return problems.map((message) => ({ key: "originName", message }));
}

function repeatedAddresses(hosts: readonly Part[]): CrossProblem[] {
  const seen = new Set<unknown>();
  return hosts.flatMap(({ raw, at }) => {
    const addresses = listOf(raw, "originAddresses");
    const problems = addresses
      .filter((address) => seen.has(address))
      .map((address) => ({ ...at("originAddresses"), message: `has ${String(address)}, which another host has too` }));
    for (const address of addresses) seen.add(address);
    return problems;
  });
}

/** Checks the limit of devices across all sites; the schema checks it for each site. */
function tooManyDevices(sites: readonly Part[]): CrossProblem[] {
  const count = sites.reduce((sum, { raw }) => sum + listOf(raw, "devices").length, 0);
  if (sites.length === 1 || count <= MAX_DEVICES) return [];
  const message = `makes ${count.toString()} devices in all, and an account may have ${MAX_DEVICES.toString()} service tokens`;
  return [{ key: "moreSites", message }];
}

/** Whether two host names must be in different zones. A zone's name has two labels or more, so this can miss some. */
function otherZone(one: string, other: string): boolean {
  if (!isHostname(one, 2) || !isHostname(other, 2)) return false;
  const domain = (full: string) => full.split(".").slice(-2).join(".");
  return domain(one) !== domain(other);
}

/** Ports that the sites cannot have. What else holds a port is seen on the host itself. */
function originPortProblems(raw: Raw, sites: readonly Part[], hosts: readonly Part[]): CrossProblem[] {
  const port = raw["originPort"];
  if (port === HTTPS_PORT) return [];
  const problem = (message: string): CrossProblem[] => [{ key: "originPort", message }];
  if (port === 80) return problem("is 80, on which web servers expect plain HTTP");
  if (hosts.some((host) => (host.raw["sshPort"] ?? 22) === port)) return problem("is the SSH port (sshPort)");
  const upstreams = [
    ...[...sites, ...hosts].map((part) => textOf(part.raw, "immichUpstream")),
    ...(textOf(raw, "publicShareHostname") === "" ? [] : [textOf(raw, "publicShareUpstream")]),
  ];
  const own = upstreams.map(parseEndpoint).filter((endpoint) => endpoint !== undefined && isLoopback(endpoint.host));
  const taken = own.some((endpoint) => endpoint?.port === port);
  return taken ? problem("is the port of what the sites serve (immichUpstream, publicShareUpstream)") : [];
}

/** Problems with how the program logs in to the hosts: by a key of its own, or by those of an SSH agent. */
function loginProblems(raw: Raw): CrossProblem[] {
  const [key, passphrase] = [textOf(raw, "sshPrivateKey"), textOf(raw, "sshPrivateKeyPassphrase")];
  if (raw["sshAgent"] === true) {
    const unused = { sshPrivateKey: key, sshPrivateKeyPassphrase: passphrase };
    const given = Object.keys(unused).filter((name) => unused[name as keyof typeof unused] !== "");
    const message = `is true, and the SSH agent's keys are used: pulumi config rm ${given.join(" && pulumi config rm ")}`;
    return given.length > 0 ? [{ key: "sshAgent", message }] : [];
  }
  if (key === "") return [{ key: "sshPrivateKey", message: "is missing" }];
  if (privateKeyProblem(key) !== undefined) return [];
  if (isProtected(key) && passphrase === "") {
    const message = "is missing; sshPrivateKey is protected by one, unless you make another key without";
    return [{ key: "sshPrivateKeyPassphrase", message }];
  }
  if (isProtected(key) || passphrase === "") return [];
  const message = "is set, and sshPrivateKey has none: pulumi config rm sshPrivateKeyPassphrase";
  return [{ key: "sshPrivateKeyPassphrase", message }];
}

/** Notifications that would tell nothing. */
function notificationProblems(raw: Raw, sites: readonly Part[]): CrossProblem[] {
  const types = textOf(raw, "notificationTypes");
  if (listOf(raw, "notificationEmails").length === 0 || !isNotificationTypes(types)) return [];
  const ends = endings({
    tokenDuration: textOf(raw, "tokenDuration"),
    originPulls: textOf(raw, "originPulls"),
    devices: sites.flatMap((site) => listOf(site.raw, "devices")),
  });
  if (selected(ends, types).length > 0) return [];
  if (ends.length > 0) {
    const message = `is ${types}, of which nothing ends in this stack: pulumi config rm notificationTypes`;
    return [{ key: "notificationTypes", message }];
  }
  const message =
    "is set, and there is nothing to tell: without devices, or with tokenDuration forever, no service token ends, and " +
    "with originPulls shared no certificate of yours: pulumi config rm notificationEmails";
  return [{ key: "notificationEmails", message }];
}

/** Problems between public shares and other settings; none while public shares are off. */
function publicShareProblems(raw: Raw, sites: readonly Part[], hosts: readonly Part[]): CrossProblem[] {
  const [name, hostname] = [textOf(raw, "publicShareHostname"), textOf(raw, "hostname")];
  if (name === "") return [];
  const problems: CrossProblem[] = [];
  if (sites.some((site) => textOf(site.raw, "hostname") === name)) {
    problems.push({ key: "publicShareHostname", message: "is the site's own host name; public shares need another" });
  } else if (otherZone(name, hostname)) {
    problems.push({ key: "publicShareHostname", message: `is not in the zone of ${hostname}` });
  }
  const message = "is the proxied publicShareHostname, and Cloudflare does not proxy SSH; use the host's own address";
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
