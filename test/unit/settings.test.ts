import { generateKeyPairSync } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { loadSettings } from "../../settings/index.ts";
import { durationSeconds } from "../../settings/durations.ts";
import { isProtected, normaliseHostKey, privateKeyProblem } from "../../settings/ssh.ts";
import { isLoopback, parseEndpoint, rangeProblem, unreachableReason } from "../../settings/network.ts";
import { checkSettings } from "../../settings/check.ts";
import { configure, API_TOKEN, GOOD, HOST_KEY, PRIVATE_KEY } from "./support/configuration.ts";
import { recordResources, valueOf } from "./support/mocks.ts";

beforeAll(() => void recordResources());

function problemsWith(changes: Record<string, string | undefined>): string {
  configure(changes);
  try {
    loadSettings();
  } catch (error) {
    expect(pulumi.RunError.isInstance(error)).toBe(true);
    return (error as Error).message;
  }
  return "";
}

const ALBUM = { hostname: "album.example.com", immichUpstream: "127.0.0.1:2284", emails: ["bert@example.com"] };
const SECOND = { sshAddress: "203.0.113.20", sshHostKey: HOST_KEY, originAddresses: ["203.0.113.20"] };
const ROTATED = { frame: { secretVersion: 2, previousSecretExpiresAt: "2026-12-01T00:00:00Z" } };
const FIFTY = Array.from({ length: 50 }, (_, index) => `device-${index.toString()}`);

describe("loadSettings", () => {
  it("settings: a good configuration is accepted and its secrets stay secret", async () => {
    configure();
    const settings = loadSettings();
    expect(settings.devices).toEqual(["annas-phone", "frame"]);
    expect(settings.sshPort).toBe(22);
    expect(settings.anyServiceToken).toBe(false);
    expect(await pulumi.isSecret(settings.apiToken)).toBe(true);
    expect(settings.sshPrivateKey && (await pulumi.isSecret(settings.sshPrivateKey))).toBe(true);
    expect(await valueOf(settings.apiToken)).toBe(API_TOKEN);
  });

  it("settings: every problem is reported at once, each with its fix", () => {
    const text = problemsWith({
      hostname: "Photos",
      zoneId: "",
      originAddresses: "[]",
      sshHostKey: "",
      emails: "[]",
      emailDomains: "[]",
      devices: '["Anna\'s phone"]',
      deviceRotations: '{"bob":{"secretVersion":2,"previousSecretExpiresAt":"2026-12-01T00:00:00Z"}}',
      email: "typo@example.com",
    });
    expect(text).toContain("has 8 problems");
    for (const key of ["hostname", "zoneId", "sshHostKey"]) {
      expect(text).toMatch(new RegExp(`^  ${key} .*\\n    pulumi config set ${key} `, "m"));
    }
    expect(text).toContain("pulumi config set --path 'originAddresses[0]'");
    expect(text).toContain("pulumi config set --path 'emails[0]'");
    expect(text).toContain("pulumi config rm email");
    expect(text).toContain("rotates «bob»");
  });

  it.each([
    ["home.ddns.example.net", "[]", []],
    ["home.ddns.example.net", '["203.0.113.10"]', [/originName is set beside originAddresses.*config rm originAddr/]],
    ["", "[]", [/originAddresses needs at least one public address of the host; or, where it changes, set originName/]],
    ["203.0.113.10", "[]", [/originName is an address/]],
    ["2001:db8::10", "[]", [/originName is an address/]],
    ["photos.example.com", "[]", [/originName is photos\.example\.com itself/]],
    ["ddns.photos.example.com", "[]", [/originName lies under photos\.example\.com/]],
    ["home.example.com", "[]", []],
    ["nas.local", "[]", [/ends in \.local, which only your own network resolves/]],
    ["nas.home.arpa", "[]", [/ends in \.home\.arpa/]],
    ["0b1c.cfargotunnel.com", "[]", [/is a Cloudflare Tunnel's/]],
    ["Home.example.net", "[]", [/must be a host name like home\.example\.net, in lower case/]],
    ["home", "[]", [/must be a host name/]],
  ])("settings: the origin's name «%s» beside the addresses %s", (originName, originAddresses, problems) => {
    const { problems: found = [] } = checkSettings({ ...GOOD, originName, originAddresses });
    expect(found).toHaveLength(problems.length);
    problems.forEach((problem, index) => {
      expect(found[index]).toMatch(problem);
    });
  });

  it("settings: the origin's name is not that of another site or of the shares, and serves a single host", () => {
    const told = (change: Record<string, string>) =>
      checkSettings({ ...GOOD, originName: "x.example.com", originAddresses: "[]", ...change }).problems?.join() ?? "";
    expect(told({ moreSites: JSON.stringify([{ ...ALBUM, hostname: "x.example.com" }]) })).toContain(
      "x.example.com itself",
    );
    expect(told({ publicShareHostname: "x.example.com" })).toContain("x.example.com itself");
    expect(told({ moreHosts: JSON.stringify([SECOND]) })).toContain("originName is for a single host");
    expect(told({ sshAddress: "x.example.com" })).toBe("");
  });

  it.each([
    ["apiToken", "short", /40 to 80/],
    ["apiUrl", "http://api.example.com/client/v4", /must be an https address/],
    ["originAddresses", '["192.168.1.5"]', /192\.168\.0\.0\/16.*cannot reach/],
    ["originAddresses", '["100.64.3.4"]', /CGNAT/],
    ["originAddresses", '["203.0.113.10","203.0.113.10"]', /names 203\.0\.113\.10 twice/],
    ["originAddresses", '["nonsense"]', /not an IPv4 or IPv6/],
    ["sshAddress", "photos.example.com", /proxied host name/],
    ["sshPort", "70000", /between 1 and 65535/],
    ["sshUser", "no user", /Linux user name/],
    ["originPort", "0", /between 1 and 65535/],
    ["originPort", "80", /plain HTTP/],
    ["originPort", "22", /is the SSH port/],
    ["originPort", "2283", /is the port of what the sites serve/],
    ["sshPrivateKey", "~/.ssh/id_ed25519", /not the name of its file/],
    ["sshJump", "bastion.example.com", /sshJump must be an object/],
    ["sshJump", '{"address":"bastion.example.com"}', /sshJump\.hostKey is missing/],
    ["sshJump", '{"address":"no host","hostKey":"x"}', /sshJump\.address must be an address or a host name/],
    ["sshJump", '{"adress":"bastion.example.com"}', /sshJump.*adress/],
    ["sshHostKey", `ssh-rsa ${"A".repeat(40)}`, /RSA key.*SHA-1/],
    ["immichUpstream", "127.0.0.1", /must be address:port/],
    ["emails", '["anna"]', /emails\.0 has an entry that is not an email address/],
    ["emailDomains", '["@example.com"]', /without the @/],
    ["sessionDuration", "2 days", /must be a duration/],
    ["sessionDuration", "800h", /from 1m to 730h/],
    ["tokenDuration", "87601h", /from 24h to 87600h \(ten years\), or forever/],
    ["tokenRefresh", "maybe", /must be true or false/],
    ["loginProvider", "google", /must be create, account, or the id/],
    ["devices", '["a","a"]', /names a twice/],
    ["deviceRotations", '{"frame":{"secretVersion":1}}', /frame.*secretVersion of 2 or more/],
    ["certificateValidityDays", "5475", /must be one of 7, 30/],
    ["originPulls", "none", /must be one of hostname, zone, shared/],
    ["originPullsCa", "PEM", /is not a PEM certificate/],
    ["originPullsKey", "DSA", /must be one of RSA-2048/],
    ["minTlsVersion", "1.4", /must be one of/],
    ["ipRanges", '["0.0.0.0/0","2400:cb00::/32"]', /wider than/],
    ["ipRanges", '["173.245.48.0/20"]', /both IPv4 and IPv6/],
    [
      "ipRanges",
      '["108.0.0.0/8","104.16.0.0/13","2400:cb00::/32"]',
      /has more IPv4 addresses than Cloudflare can have/,
    ],
    [
      "ipRanges",
      '["173.245.48.0/20","2400::/20","2a06:98c0::/29"]',
      /has more IPv6 addresses than Cloudflare can have/,
    ],
    ["sshFrom", '["192.168.1.5/24"]', /has 192.168.1.5\/24, which has bits set behind the first 24/],
    ["sshFrom", '["home"]', /has home, which is not a network/],
    ["keepOpen", '["8123/tcp from 192.168.1.5/24"]', /has «8123.*», which is for 192.168.1.5\/24, which has bits set/],
    ["keepOpen", '["homeassistant"]', /which is not in ufw's syntax/],
    ["closeOthers", "yes", /must be true or false/],
    ["originJwtCheck", "yes", /must be true or false/],
    ["teamDomain", "", /teamDomain is missing; originJwtCheck needs it/],
    ["teamDomain", "https://team.cloudflareaccess.com", /must be a domain like/],
    ["homeNetworks", '["192.168.1.1/24"]', /homeNetworks.* has 192\.168\.1\.1\/24, which has bits set/],
    ["homeNetworks", '["203.0.113.0/24"]', /which is not in a private network \(10\.0\.0\.0\/8, /],
    ["homeNetworks", '["0.0.0.0/0"]', /is not in a private network/],
    ["homeNetworks", '["home"]', /is not a network like 192\.168\.1\.0\/24/],
    ["dockerPublishedPort", "drop", /is no longer a setting: [^]*pulumi config rm dockerPublishedPort/],
    ["hostname", "Photos.example.com", /hostname must be a host name like photos\.example\.com, in lower case/],
    ["hostname", "föto.example.com", /hostname must be in ASCII, as xn--fto-sna\.example\.com/],
    ["publicShareHostname", "föto.example.com", /publicShareHostname must be in ASCII, as xn--fto-sna/],
    ["publicShareHostname", "Shares", /must be a host name like shares/],
    ["publicShareHostname", "photos.example.com", /is the site's own host name/],
    ["publicShareHostname", "shares.example.org", /is not in the zone of photos\.example\.com/],
    ["publicShareUpstream", "3000", /must be address:port, like 127\.0\.0\.1:3000/],
    ["confirmSeconds", "5", /between 30 and 600/],
    ["hostRevision", "-1", /between 0 and 1000000/],
  ])("settings: %s = %s is refused", (key, value, message) => {
    expect(problemsWith({ [key]: value })).toMatch(message);
  });

  it.each([
    ["127.0.0.1:2283", "127.0.0.1:2283"],
    ["127.0.0.1:2283", "localhost:2283"],
    ["localhost:2283", "[::1]:2283"],
    ["127.0.0.1:2283", "127.3.2.1:2283"],
    ["127.0.0.1:2283", "0.0.0.0:2283"],
    ["127.0.0.1:2283", "[::ffff:127.0.0.1]:2283"],
    ["[fd00::7]:2283", "[FD00:0::7]:2283"],
    ["immich.lan:2283", "immich.lan:2283"],
  ])("settings: public shares of Immich itself are refused: %s is %s", (immichUpstream, publicShareUpstream) => {
    const upstreams = { immichUpstream, publicShareUpstream };
    expect(problemsWith({ ...upstreams, publicShareHostname: "shares.example.com" })).toMatch(
      /publicShareUpstream is Immich itself .*\n    pulumi config set publicShareUpstream 127\.0\.0\.1:3000/,
    );
    expect(problemsWith(upstreams)).toBe("");
  });

  it("settings: public shares beside Immich are accepted, under a name that is not for SSH", () => {
    const shares = { publicShareHostname: "shares.example.com" };
    expect(problemsWith(shares)).toBe("");
    expect(problemsWith({ ...shares, publicShareUpstream: "192.168.1.7:2283" })).toBe("");
    expect(problemsWith({ ...shares, sshAddress: "shares.example.com" })).toMatch(/proxied publicShareHostname/);
  });

  it.each([
    ["moreSites", /moreSites must be a list/, "album.example.com"],
    ["moreSites", /moreSites\.0 must be an object with the settings of a site/, '["album.example.com"]'],
    ["moreSites", /moreSites\.0\.hostname is missing\n.*\n  moreSites\.0\.immichUpstream is missing/, [{}]],
    ["moreSites", /moreSites\.0 has port, which is not a setting of a site/, [{ ...ALBUM, port: 7 }]],
    ["moreSites", /moreSites\.0\.emails names nobody, and neither does emailDomains/, [{ ...ALBUM, emails: [] }]],
    ["moreSites", /0\.hostname is also the host name of another site/, [{ ...ALBUM, hostname: "photos.example.com" }]],
    ["moreSites", /moreSites\.1\.hostname is also the host name of another site/, [ALBUM, ALBUM]],
    ["moreSites", /is not in the zone of photos\.example\.com/, [{ ...ALBUM, hostname: "album.example.org" }]],
    [
      "moreSites",
      /moreSites\.0\.deviceRotations rotates «frame», which is not/,
      [{ ...ALBUM, deviceRotations: ROTATED }],
    ],
    ["moreSites", /moreSites makes 52 devices in all, and an account may have 50/, [{ ...ALBUM, devices: FIFTY }]],
    ["moreHosts", /moreHosts\.0\.sshAddress is missing/, [{}]],
    ["moreHosts", /moreHosts\.0\.sshHostKey is missing/, [{ ...SECOND, sshHostKey: "" }]],
    ["moreHosts", /needs at least one public address of the host/, [{ ...SECOND, originAddresses: [] }]],
    ["moreHosts", /0\.sshAddress is also the address of another host/, [{ ...SECOND, sshAddress: "203.0.113.10" }]],
    [
      "moreHosts",
      /has 203\.0\.113\.10, which another host has too/,
      [{ ...SECOND, originAddresses: ["203.0.113.10"] }],
    ],
    ["moreHosts", /0\.sshAddress is the proxied host name/, [{ ...SECOND, sshAddress: "photos.example.com" }]],
    [
      "moreHosts",
      /moreHosts\.0 has sshPrivateKey, which is not a setting of a host/,
      [{ ...SECOND, sshPrivateKey: "another" }],
    ],
  ])("settings: an entry of %s is refused: %s", (key, message, value) => {
    expect(problemsWith({ [key]: typeof value === "string" ? value : JSON.stringify(value) })).toMatch(message);
  });

  it("settings: further sites and hosts are accepted, with defaults for what they omit", () => {
    expect(problemsWith({ moreSites: JSON.stringify([ALBUM]), moreHosts: JSON.stringify([SECOND]) })).toBe("");
    configure({ moreSites: JSON.stringify([ALBUM]), moreHosts: JSON.stringify([SECOND]) });
    const { moreSites, moreHosts } = loadSettings();
    expect(moreSites).toEqual([{ ...ALBUM, emailDomains: [], devices: [], deviceRotations: {} }]);
    expect(moreHosts).toEqual([
      {
        ...SECOND,
        homeNetworks: [],
        sshPort: 22,
        sshUser: "root",
        immichUpstream: "127.0.0.1:2283",
        sshFrom: [],
        keepOpen: [],
        closeOthers: false,
      },
    ]);
  });

  it("settings: public shares of a further site's Immich, or of a further host's, or under a further site's name are refused", () => {
    const shares = { publicShareHostname: "shares.example.com", publicShareUpstream: "127.0.0.1:2284" };
    const host = { ...SECOND, immichUpstream: "127.0.0.1:2284" };
    const isImmich = /publicShareUpstream is Immich itself/;
    expect(problemsWith({ ...shares, moreSites: JSON.stringify([ALBUM]) })).toMatch(isImmich);
    expect(problemsWith({ ...shares, moreHosts: JSON.stringify([host]) })).toMatch(isImmich);
    const named = [{ ...ALBUM, hostname: "shares.example.com", immichUpstream: "127.0.0.1:2285" }];
    expect(problemsWith({ ...shares, moreSites: JSON.stringify(named) })).toMatch(/public shares need another/);
  });

  it("settings: certificates that would outlive the Origin CA are refused", () => {
    const late = new Date("2028-12-01T00:00:00Z").getTime();
    const now = Date.now;
    Date.now = () => late;
    try {
      expect(problemsWith({ certificateValidityDays: "365" })).toMatch(
        /beyond 2029-08-15, .*\n.*config set certificateValidityDays 90\n?$/m,
      );
      expect(problemsWith({ certificateValidityDays: "90" })).toBe("");
    } finally {
      Date.now = now;
    }
  });

  it("settings: a problem never repeats a secret's value", () => {
    const text = problemsWith({ apiToken: "SECRET-token", sshPrivateKey: "SECRET-key", hostname: "" });
    expect(text).toContain("has 3 problems");
    expect(text).not.toContain("SECRET");
  });
});

describe("normaliseHostKey", () => {
  const blob = HOST_KEY.split(" ")[1] ?? "";

  it.each([
    ["an authorized_keys line", `${HOST_KEY} root@host`],
    ["a known_hosts line", `host,203.0.113.10 ${HOST_KEY}`],
    ["a hashed known_hosts line", `|1|c2FsdA==|aGFzaA== ${HOST_KEY}`],
    ["a line with a port", `[host]:2222 ${HOST_KEY}`],
    ["ssh-keyscan's whole output", `# host:22 SSH-2.0-OpenSSH_9.2\nhost ssh-rsa AAAAB3\nhost ${HOST_KEY}\n`],
  ])("an SSH host key is accepted from %s", (_, text) => {
    expect(normaliseHostKey(text)).toEqual({ line: HOST_KEY });
  });

  it.each([
    ["", /empty/],
    ["# only a comment", /empty/],
    ["hello", /not a public key line/],
    [`@cert-authority * ${HOST_KEY}`, /not a public key line/],
    [`ecdsa-sha2-nistp256 ${blob}`, /damaged/],
    ["ssh-ed25519 AAAA", /damaged/],
  ])("an SSH host key is refused: %j", (text, problem) => {
    expect(normaliseHostKey(text).problem).toMatch(problem);
  });
});

describe("privateKeyProblem", () => {
  it("an SSH key without a passphrase is accepted", () => {
    expect(privateKeyProblem(PRIVATE_KEY)).toBeUndefined();
  });

  it("an SSH key with a passphrase is accepted in OpenSSH's format, and refused in that of PKCS #8", () => {
    const { privateKey } = generateKeyPairSync("ed25519", {
      privateKeyEncoding: { format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "x" },
      publicKeyEncoding: { format: "pem", type: "spki" },
    });
    expect(privateKeyProblem(privateKey)).toContain("ssh-keygen -p");
    const header = Buffer.concat([
      Buffer.from("openssh-key-v1\0"),
      Buffer.from([0, 0, 0, 10]),
      Buffer.from("aes256-ctr"),
    ]);
    const openssh = `-----BEGIN OPENSSH PRIVATE KEY-----\n${header.toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`;
    expect([privateKeyProblem(openssh), isProtected(openssh)]).toEqual([undefined, true]);
    expect(isProtected(PRIVATE_KEY)).toBe(false);
  });

  it("an SSH key that lost its line breaks or its end is recognised", () => {
    expect(privateKeyProblem(PRIVATE_KEY.replaceAll("\n", " "))).toContain("line breaks");
    expect(privateKeyProblem(PRIVATE_KEY.slice(0, 90))).toContain("cut off");
  });
});

describe("network", () => {
  it("addresses that Cloudflare cannot reach are recognised", () => {
    expect(unreachableReason("198.51.100.10")).toBeUndefined();
    expect(unreachableReason("2606:4700::1")).toBeUndefined();
    for (const address of ["10.0.0.1", "127.0.0.1", "169.254.1.1", "fd00::1", "fe80::1", "::1", "::ffff:10.0.0.1"]) {
      expect(unreachableReason(address), address).toBeDefined();
    }
  });

  // Which values are taken is in host/tests/values.json.
  it("a refused range comes with the reason", () => {
    expect(rangeProblem("1.2.3.4")).toBe("is not an address range like 173.245.48.0/20");
    expect(rangeProblem("8.0.0.0/7")).toBe("is wider than /8, far more than Cloudflare has");
    expect(rangeProblem("2400:cb00::1/32")).toMatch(/^has bits set behind the first 32, /);
    expect(rangeProblem("172.0.0.0/8")).toBe("overlaps 172.16.0.0/12, a private network");
    expect(rangeProblem("2001:db8::/32")).toBe("overlaps 2001:db8::/32, for documentation");
  });

  it("endpoints are parsed", () => {
    expect(parseEndpoint("127.0.0.1:2283")).toEqual({ host: "127.0.0.1", port: 2283 });
    expect(parseEndpoint("[::1]:2283")).toEqual({ host: "::1", port: 2283 });
    expect(parseEndpoint("immich.lan:80")).toEqual({ host: "immich.lan", port: 80 });
  });

  it("all ways to name the machine itself are recognised", () => {
    for (const host of ["127.0.0.1", "127.3.2.1", "0.0.0.0", "localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]"]) {
      expect(isLoopback(parseEndpoint(`${host}:2283`)?.host ?? ""), host).toBe(true);
    }
    for (const host of ["192.168.1.7", "immich.lan", "[fd00::7]", "[::ffff:192.168.1.7]"]) {
      expect(isLoopback(parseEndpoint(`${host}:2283`)?.host ?? ""), host).toBe(false);
    }
  });
});

it("durations are parsed", () => {
  expect(durationSeconds("1h30m")).toBe(5400);
  expect(durationSeconds("8760h")).toBe(31_536_000);
  expect(durationSeconds("24")).toBeUndefined();
});
