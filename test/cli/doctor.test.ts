import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { State } from "../../dev/sandbox/api/state.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { connectTo } from "../../dev/commands/connect-to.ts";
import type { CommandResult } from "../../dev/sandbox/sandbox.ts";
import { reloadNginx } from "../e2e/support/traffic.ts";
import { type Outputs, SHARES, SITE, startWorld, type World } from "../e2e/support/world.ts";
import { runCli } from "./support/cli.ts";

// One deployment. Each test breaks things that have nothing to do with one another, and the doctor has to name each and
// nothing else; then its commands fix them.

interface Finding {
  id: string;
  site?: string;
  host?: string;
  status: string;
  says: string;
  why?: string;
  fix?: string;
}

/** A further site, which is added halfway. */
const ALBUM = "album.home.localhost";

/** A run of the doctor takes a few seconds, and several times that on a busy machine. */
const LONGEST_SECONDS = 60;

let world: World;
/** All that the doctor has printed. */
let printed = "";

beforeAll(async () => {
  world = await startWorld();
  await world.deployment.configure({ publicShareHostname: SHARES });
  await world.deployment.up();
});
afterAll(() => world.close());

const detours = (edge?: string) => connectTo(world.sandbox, [SITE, ALBUM, SHARES], edge);

async function doctor(...args: string[]): Promise<CommandResult> {
  const result = await runCli(world.deployment, "doctor", [
    ...["--stack", "test", "--cacert", world.sandbox.publicCaPath],
    ...args,
  ]);
  printed += result.stdout + result.stderr;
  return result;
}

async function examined(args = detours()): Promise<{ code: number; seconds: number; findings: Finding[] }> {
  const { code, stdout, stderr } = await doctor("--json", ...args);
  if (stdout === "") throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as { seconds: number; findings: Finding[] }) };
}

/** Findings that did not pass, by id (with the site's name for the further site): the status and the text. */
const problems = (findings: readonly Finding[]): Record<string, string> =>
  Object.fromEntries(
    findings
      .filter(({ status }) => status !== "ok")
      .map(({ id, site, status, says }) => [site === ALBUM ? `album ${id}` : id, `${status}: ${says}`]),
  );

/** Expects exactly these findings not to pass, each with the given words in its text. */
function expectIll(findings: readonly Finding[], expected: Readonly<Record<string, string>>): void {
  const found = problems(findings);
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [id, words] of Object.entries(expected)) expect(found[id], id).toContain(words);
}

async function onHost(script: string): Promise<string> {
  const { code, stdout, stderr } = await world.sandbox.runOnHost(["sh", "-ec", script]);
  if (code !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout;
}

/** Changes what Cloudflare has, past its API. */
async function atCloudflare(change: (state: State) => void): Promise<void> {
  const state = await world.api.state();
  change(state);
  await world.api.alter(state);
}

/** All files and rules of the host that the doctor must leave alone. */
const snapshot = () =>
  onHost(
    "find /etc /usr/local/lib/immich-access /var/lib/immich-access -type f -printf '%p %m %T@\\n' | sort; " +
      "iptables -S; ip6tables -S; pgrep -f '^nginx: worker process$'",
  );

const first = <T>(list: readonly T[], what: string): T => {
  const [one] = list;
  if (one === undefined) throw new Error(`no ${what}`);
  return one;
};

test("the doctor finds a site as deployed in order, and changes nothing", async () => {
  const before = await snapshot();
  const { id: last } = (await world.api.requests()).at(-1) ?? { id: 0 };
  const { code, seconds, findings } = await examined();
  expectIll(findings, {});
  expect(code).toBe(0);
  expect(findings).toHaveLength(59);
  expect(seconds).toBeLessThan(LONGEST_SECONDS);
  expect(await snapshot()).toBe(before);
  const methods = (await world.api.requests(last)).map(({ method }) => method);
  expect(new Set(methods)).toEqual(new Set(["GET"]));
});

describe("faults", () => {
  let broken: Finding[];

  test("the doctor names each change made by hand, on the host and in the dashboard, and nothing else", async () => {
    await onHost(
      [
        "ufw delete allow proto tcp from 131.0.72.0/22 to any port 443 >/dev/null",
        "iptables -D ufw-user-input 2",
        `sed -i 's/"undone": false/"undone": true/' /var/lib/immich-access/firewall-change.json`,
        "nft delete table inet immich_access",
        "systemctl disable -q nginx",
        `sed -i 's/ssl_verify_client on/ssl_verify_client off/' /etc/nginx/sites-available/immich-access-${SITE}.conf`,
        "systemctl reload nginx",
        `chmod 0644 /etc/immich-access/${SITE}/current/origin.key`,
        `chmod 0640 /etc/immich-access/${SHARES}/current/origin.key`,
        "sed -i '$d' /etc/nginx/immich-access/cloudflare-ranges.conf",
        "systemctl disable -q --now immich-access-ranges.timer",
        "systemctl stop immich-access-keys.timer",
        "touch /usr/local/lib/immich-access/agent/stray.py",
        "systemctl stop immich",
      ].join("\n"),
    );
    await atCloudflare((state) => {
      const zone = first(state.zones, "zone");
      Object.assign(zone.settings, {
        ssl: { value: "full", modified_on: null },
        min_tls_version: { value: "1.0", modified_on: null },
        websockets: { value: "off", modified_on: null },
        max_upload: { value: 50, modified_on: null },
      });
      for (const entry of zone.origin_pulls.hostnames) entry.enabled = false;
      for (const certificate of state.origin_certificates) certificate.revoked_at = "2026-11-24T00:00:00Z";
      state.ips.ipv4_cidrs.push("199.27.128.0/21");
      const people = first(
        state.access_policies.filter(({ decision }) => decision === "allow"),
        "policy for people",
      );
      people.include.push({ email: { email: "eve@example.net" } });
      state.access_policies.push({
        ...people,
        id: "open",
        name: "open",
        decision: "bypass",
        include: [{ everyone: {} }],
      });
      const uri = `${SITE}/share`;
      state.access_apps.push({
        ...first(state.access_apps, "application"),
        id: "share",
        aud: "share",
        name: "Share",
        domain: uri,
        destinations: [{ type: "public", uri }],
        policies: [{ id: "open", precedence: 1 }],
      });
      state.identity_providers = state.identity_providers.filter(({ type }) => type !== "onetimepin");
      // Else the devices would only be told to wait for Access.
      for (const app of state.access_apps) app.created_at = app.updated_at = "2026-11-01T00:00:00Z";
      for (const token of state.service_tokens) if (token.name.endsWith(" frame")) token.enabled = false;
      for (const token of state.api_tokens) token.expires_on = new Date(Date.now() + 10.5 * 86_400_000).toISOString();
    });
    await world.api.organization({ strict_service_token_auth: false });

    const { code, findings } = await examined();
    broken = findings;
    expectIll(findings, {
      "host-firewall": "wrong: /etc/ufw/user.rules differ",
      "host-firewall-kernel": "wrong: the kernel's rules are not those in ufw's files",
      "host-firewall-change": "was undone",
      "host-port-guard": "wrong: the table that closes Immich's port is missing",
      "host-nginx": "wrong: nginx does not start at boot",
      "host-site": `immich-access-${SITE}.conf differ`,
      "host-guard": "does not ask clients of photos.home.localhost at 198.51.100.10 for a certificate",
      "host-token-check": "immich-access-keys.timer does not run",
      "host-key": "is readable by others: mode 0644",
      "host-ranges": "has other ranges than the firewall",
      "host-timer": "is not enabled",
      "host-agent": "1 files",
      "host-immich": "does not answer on 127.0.0.1:2283",
      "shares-host-key": "is readable by others: mode 0640",
      "shares-host-proxy": "immich-public-proxy on 127.0.0.1:3000 does not reach Immich",
      "shares-origin-pulls": "wrong: are off",
      "shares-origin-certificate": "wrong: the host's is not among",
      ranges: "wrong: the host lacks 199.27.128.0/21",
      "api-token": "in 10 days",
      "ssl-mode": "wrong: is full, not strict",
      "zone-settings": "wrong: min_tls_version is 1.0, not 1.2",
      "websockets-setting": "wrong: are off",
      "upload-limit": "wrong: 50 MB each",
      "origin-pulls": "wrong: are off",
      "origin-certificate": "wrong: the host's is not among those that Cloudflare lists as valid",
      "access-holes": "wrong: policy «open» of «Share» is a Bypass",
      "access-policies": "wrong: also admits email eve@example.net",
      "login-provider": "does not exist any more",
      "token-frame": "wrong: is disabled",
      "strict-tokens": "warning: off",
      "device-annas-phone": "403, no policy of Access admits the token, or the host's token check refuses",
      "device-frame": "wrong: does not reach Immich: ",
      websocket: "wrong: does not open: ",
      "shares-pages": "wrong: gets 400, the host's nginx got no certificate",
      "shares-api": "unknown: 400, the host's nginx got no certificate",
    });
    expect(code).toBe(1);
    for (const { status, why, fix } of findings) {
      expect([why, fix].every((text) => (text ?? "") !== "")).toBe(status !== "ok");
    }
  });

  test("the doctor's commands mend what it found, while a site is added", async () => {
    const fixes = new Set(broken.flatMap(({ fix }) => fix ?? []));
    const [leaf, sharesLeaf] = [SITE, SHARES].map((name) => `**::${name}-origin-pulls-certificate-leaf`) as [
      string,
      string,
    ];
    expect(fixes).toContain("pulumi config set hostRevision 1 && pulumi up");
    expect(fixes).toContain("pulumi up --refresh");
    for (const one of [leaf, sharesLeaf]) expect(fixes).toContain(`pulumi up --replace '${one}'`);
    await onHost("systemctl start immich");
    await atCloudflare((state) => {
      Object.assign(first(state.zones, "zone").settings, { max_upload: { value: 100, modified_on: null } });
      state.access_apps = state.access_apps.filter(({ id }) => id !== "share");
      for (const token of state.service_tokens) token.enabled = true;
      for (const token of state.api_tokens) token.expires_on = null;
      for (const certificate of state.origin_certificates) certificate.revoked_at = null;
    });
    await world.api.organization({ strict_service_token_auth: true });
    const album = {
      hostname: ALBUM,
      immichUpstream: "127.0.0.1:2283",
      emails: ["bert@example.com"],
      devices: ["frame"],
    };
    await world.deployment.configure({ hostRevision: 1, moreSites: [album] });
    await world.deployment.stack.up({ refresh: true, replace: [leaf, sharesLeaf], suppressProgress: true });
    const { findings, seconds } = await examined();
    expectIll(findings, {});
    expect(seconds).toBeLessThan(LONGEST_SECONDS);
    const count = (name: string | undefined) => findings.filter(({ site }) => site === name).length;
    expect([SITE, ALBUM, SHARES, undefined].map(count)).toEqual([22, 20, 13, 24]);
  });

  test("the doctor passes on what the daily refresh told last, and misses one after two days", async () => {
    const timer = async () =>
      first(
        (await examined()).findings.filter(({ id }) => id === "host-timer"),
        "finding",
      );
    expect(await timer()).toMatchObject({ status: "ok", says: expect.stringContaining("has not told yet") as string });
    const told = (hours: number) => {
      const time = new Date(Date.now() - hours * 3_600_000).toISOString().replace(/\.\d+Z$/, "Z");
      const certificates = [{ hostname: SITE, endsOn: time }];
      return {
        time,
        ok: true,
        ranges: { ipv4: 15, ipv6: 7, fetched: time },
        guardInForce: true,
        waysIn: 0,
        certificates,
      };
    };
    for (const [hours, ok, status, says] of [
      [3.5, true, "ok", "enabled, and ended last 3 h ago"],
      // systemd has forgotten it since, as after a reboot.
      [3.5, false, "wrong", "failed: journalctl -u immich-access-ranges"],
      [49, true, "wrong", "the last refresh that told what it found ended on "],
    ] as const) {
      const refresh = { ...told(hours), ok };
      const line = JSON.stringify({ version: 1, ...refresh });
      await onHost(`echo '${line}' >/var/lib/immich-access/status.json`);
      const found = await timer();
      expect(found).toMatchObject({ status, says: expect.stringContaining(says) as string });
      expect(found).toHaveProperty("refresh", refresh);
    }
    await onHost("rm /var/lib/immich-access/status.json");
  });

  test("the doctor does not call a device ill while Access may not be in force yet", async () => {
    const before = await world.api.state();
    await atCloudflare((state) => {
      for (const app of state.access_apps) app.updated_at = new Date().toISOString();
      for (const token of state.service_tokens) token.enabled = false;
      // A zone without it has the mode "custom" only.
      delete first(state.zones, "zone").settings["ssl_automatic_mode"];
    });
    const { findings } = await examined();
    const ill = findings.filter(({ id, status }) => /^(device-|websocket)/.test(id) && status !== "ok");
    expect(ill.map(({ site, id }) => `${String(site)} ${id}`).sort()).toEqual([
      ...[`${ALBUM} device-frame`, `${ALBUM} websocket`],
      ...[`${SITE} device-annas-phone`, `${SITE} device-frame`, `${SITE} websocket`],
    ]);
    for (const { status, says, fix } of ill) {
      expect(status).toBe("unknown");
      expect(says).toContain("its Access application is younger than two minutes");
      expect(fix).toContain("run the doctor again");
    }
    expect(problems(findings)).not.toHaveProperty("zone-settings");
    await world.api.alter(before);
  });

  test("the doctor says that a zone is paused", async () => {
    const before = await world.api.state();
    await atCloudflare((state) => {
      first(state.zones, "zone").paused = true;
    });
    const { findings } = await examined();
    expect(problems(findings)["zone"]).toContain("wrong: is paused: ");
    await world.api.alter(before);
  });

  test("the doctor names an open host, a site without a login, and a record that is not proxied", async () => {
    await onHost(`sed -i '/auth_request/d' /etc/nginx/sites-available/immich-access-${SITE}.conf`);
    await onHost(
      [
        // What the allowlist leaves out goes to Immich, which also is where immich-public-proxy was.
        `sed -i 's|^        return 404;|        proxy_pass http://127.0.0.1:3000;|' /etc/nginx/sites-available/immich-access-${SHARES}.conf`,
        "systemctl stop immich-public-proxy",
        "systemd-run --quiet --unit=immich-in-its-place /usr/bin/python3 -I /usr/local/lib/immich/immich.py 3000",
        "until ss -Hltn 'src = 127.0.0.1:3000' | grep -q .; do sleep 0.05; done",
      ].join("\n"),
    );
    await reloadNginx(world.sandbox);
    await onHost(
      [
        "ufw --force disable >/dev/null",
        "cd /tmp",
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj /CN=other -keyout k -out c 2>&1",
        `cp c /etc/immich-access/${SITE}/current/origin.pem`,
        `chmod 0640 /etc/immich-access/${ALBUM}/current/origin.key`,
      ].join("\n"),
    );
    await atCloudflare((state) => {
      state.access_apps = [];
      for (const record of state.dns_records) if (record.type === "AAAA") record.proxied = false;
    });
    const { code, findings } = await examined();
    expectIll(findings, {
      direct: "wrong: open: 198.51.100.10 port 443, 2001:db8:77::10 port 443",
      "host-firewall": "ufw is disabled",
      "host-site": "differ from what was deployed",
      "host-certificate": `is not for ${SITE}`,
      "host-key": "does not belong to the origin certificate",
      "host-guard": "does not serve the certificate",
      "host-nginx": "key values mismatch",
      "host-token-check": "unknown: only a configuration that nginx takes",
      "origin-certificate": "is not among",
      "dns-record": "wrong: not proxied: AAAA 2001:db8:77::10",
      "access-application": `wrong: none for ${SITE}`,
      stranger: "reaches Immich",
      "wrong-token": "reaches Immich",
      "shares-host-site": `immich-access-${SHARES}.conf differ`,
      "shares-host-proxy": "127.0.0.1:3000 is Immich itself",
      "shares-dns-record": "wrong: not proxied: AAAA 2001:db8:77::10",
      "shares-api": "wrong: reaches Immich",
      "album host-key": "is readable by others: mode 0640",
      "album dns-record": "wrong: not proxied: AAAA 2001:db8:77::10",
      "album access-application": `wrong: none for ${ALBUM}`,
      // The host's token check refuses everybody for want of an application.
      "album stranger": "wrong: gets 403 and no login page, so nobody can log in",
      "album device-frame": "403, no policy of Access admits the token, or the host's token check refuses",
      "album websocket": "wrong: does not open: 403",
    });
    expect(code).toBe(1);
  });
});

describe("parts that cannot be reached", () => {
  test("a token with few permissions, another host key or a silent edge costs the doctor only its own findings", async () => {
    const { token } = await world.api.createToken({
      name: "little",
      permissions: ["Zone Read", "DNS Write"],
      zones: [DEV.zone],
      accounts: [DEV.account],
    });
    const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJyYW5kLW5ldy1rZXktb2Ytbm9ib2R5LWF0LWFsbCEh";
    // Another host of the stack, by its own settings, is the same machine here.
    const sshAddress = `fd77:${world.sandbox.number.toString()}::2`;
    const another = { sshAddress, sshHostKey: world.sandbox.sshTarget.hostKey, originAddresses: ["198.51.100.20"] };
    await world.deployment.configure({ sshHostKey: other, moreHosts: [another] }, { apiToken: token });
    const { findings } = await examined([...detours("127.0.0.1:1"), "--connect-to", "198.51.100.20::127.0.0.1:1"]);
    const unknown = findings.filter(({ status }) => status === "unknown").map(({ id, says }) => `${id}: ${says}`);
    for (const line of [
      /^ssh: root@.*:22: it shows another host key than the stack's sshHostKey$/,
      /^ssl-mode: the API token lacks Zone, Zone Settings: Authentication error \(10000\)$/,
      /^origin-pulls: the API token lacks Zone, SSL and Certificates: Authentication error \(10000\)$/,
      /^origin-certificate: the API token lacks Zone, SSL and Certificates: Authentication error \(10000\)$/,
      /^access-application: the API token lacks Account, Access: /,
      /^device-tokens: the API token lacks Account, Access: Service Tokens: Authentication error \(10000\)$/,
      /^strict-tokens: the API token lacks Account, Access: Organizations,/,
      /^stranger: .*ECONNREFUSED/,
      /^shares-pages: .*ECONNREFUSED/,
      /^websocket: .*ECONNREFUSED/,
    ]) {
      expect(unknown).toContainEqual(expect.stringMatching(line));
    }
    const onHosts = findings.filter(({ id }) => id.startsWith("host-"));
    expect(new Set(onHosts.map(({ host }) => host))).toEqual(new Set([sshAddress]));
    expect(problems(onHosts.filter(({ site }) => site === undefined))).toMatchObject({
      "host-firewall": "wrong: ufw is disabled, so it keeps nobody from this host's ports",
    });
    expect(findings.find(({ id }) => id === "dns-record")?.status).toBe("wrong");
  });

  test("the doctor reports an unreachable Cloudflare API in one line of the table, with what to do", async () => {
    await world.deployment.configure({ apiUrl: "http://127.0.0.1:17999/client/v4" });
    const { code, stdout } = await doctor(...detours());
    expect(stdout).toMatch(/ unknown +API token +the API request failed: .*ECONNREFUSED/);
    expect(stdout).toMatch(/ unknown +Clock +Cloudflare's time is not known/);
    expect(stdout).toMatch(/ WRONG +A stranger +reaches Immich/);
    expect(code).toBe(1);
  });
});

test("the doctor reports wrong settings as the program does", async () => {
  await world.deployment.configure({ originPulls: "sometimes" });
  const { code, stdout, stderr } = await doctor();
  expect(stdout).toBe("");
  expect(stderr).toContain("originPulls must be one of hostname, zone, shared");
  expect(stderr).toContain("pulumi config set originPulls hostname");
  expect(code).toBe(2);
  const unusable = await doctor("--connect-to", "nowhere");
  expect(unusable.code).toBe(2);
  expect(unusable.stderr).toContain("HOST1:PORT1:HOST2:PORT2");
});

test("the doctor prints no secret", async () => {
  const { devices, moreSites } = await world.deployment.outputs<Outputs & { moreSites: Record<string, Outputs> }>();
  const { privateKey } = world.sandbox.sshTarget;
  const secrets = [
    world.sandbox.token,
    ...[{ devices }, ...Object.values(moreSites)].flatMap((site) =>
      Object.values(site.devices).map(({ clientSecret }) => clientSecret),
    ),
    ...privateKey.split("\n").filter((line) => line.length > 30),
  ];
  expect(printed).toContain(SITE);
  expect(secrets.length).toBeGreaterThan(5);
  expect(secrets.filter((secret) => printed.includes(secret))).toEqual([]);
});
