import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newKey, selfSigned } from "../../dev/sandbox/certificates/x509.ts";
import { ReleaseUnavailable } from "../../dev/sandbox/host/layer.ts";
import { prepareTestHosts } from "../support/host.ts";
import { unknownDirectives } from "./support/directives.ts";
import { ONLY_SSH, reach, SSH_AND_HTTPS, undone } from "./firewall-support.ts";
import {
  certificatesPayload,
  clientCertificate,
  firewallPayload,
  nginxPayload,
  Origin,
  RANGES,
  serverCertificate,
  SITE,
  VALID,
} from "./support/origin.ts";
import { listed, RangesApi } from "./support/ranges-api.ts";

const CHOICE = { release: "trixie" };

// Here and not in a hook, because it may take longer than a hook should on a machine that has not got it yet.
const missing = await prepareTestHosts(CHOICE).then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof ReleaseUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) console.error(`The tests on Debian 13 are skipped: ${missing}`);

describe.skipIf(missing !== undefined)("Debian 13", () => {
  let origin: Origin;
  const certificates = certificatesPayload(serverCertificate());
  const line = (change: number) =>
    `firewall change ${change}: port 443 is open to 2 IPv4 and 2 IPv6 ranges of Cloudflare, SSH on port 22 to everyone`;

  const fromStranger = () => reach((command) => origin.host.fromStranger(command));
  const fromEdge = () => reach((command) => origin.host.fromEdge(command));

  beforeAll(async () => {
    origin = await Origin.start(CHOICE);
    await origin.apply("certificates", certificates);
    await origin.apply("nginx", nginxPayload);
  });
  afterAll(() => origin.close());

  test("the host is Debian 13, with its own versions of everything", async () => {
    const versions = await origin.run(". /etc/os-release; echo $VERSION_ID; nginx -v 2>&1; python3 -V; iptables -V");
    expect(versions).toMatch(/^13\nnginx version: nginx\/1\.26\.\d+\nPython 3\.13\.\d+\niptables v1\.8\.11 /);
    expect(await origin.run("systemctl is-system-running; ufw version | head -1")).toBe("running\nufw 0.36.2");
  });

  test("Debian 13: the firewall allows SSH for everyone and 443 for Cloudflare, and a second run touches nothing", async () => {
    expect(await fromStranger()).toEqual(ONLY_SSH);
    expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
    const folders = "/etc/ufw /etc/default/ufw /etc/systemd/system /var/lib/immich-access /usr/local/lib/immich-access";
    const state = () => origin.run(`find ${folders} -printf '%p %T@ %i\\n' | sort; iptables -S; ip6tables -S`);
    const before = await state();
    expect(await origin.apply("firewall", firewallPayload)).toBe(line(1));
    expect(await state()).toBe(before);
  });

  test("Debian 13: ufw itself reads the rules back as they are", async () => {
    const rules = () => origin.run("ufw status numbered; cat /etc/ufw/user.rules /etc/ufw/user6.rules");
    const before = await rules();
    expect(before).toContain("immich-access: Cloudflare");
    await origin.run("ufw allow 26/tcp && ufw delete allow 26/tcp");
    expect(await rules()).toBe(before);
  });

  test("Debian 13: an unconfirmed firewall change is rolled back, and made again by the next run", async () => {
    const ranges = { ipv4: ["104.16.0.0/13"], ipv6: ["2606:4700::/32"] };
    const changed = await origin.apply("firewall", { ...firewallPayload, ranges, confirmSeconds: 10 });
    expect(changed).toMatch(/^firewall change 2: .* 1 IPv4 and 1 IPv6 ranges/);
    expect(await fromEdge()).toEqual(ONLY_SSH);
    await undone(origin.host);
    expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
    expect(await origin.host.journal("immich-access-undo")).toContain("change 2 of the firewall was undone");

    expect(await origin.apply("certificates", { ...certificates, firewall: changed })).toMatch(/, firewall change 3$/);
    expect(await fromEdge()).toEqual(ONLY_SSH);
    await origin.apply("nginx", nginxPayload);
    expect(await origin.apply("firewall", firewallPayload)).toBe(line(4));
    await origin.apply("nginx", nginxPayload);
    expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
    expect(await fromStranger()).toEqual(ONLY_SSH);
  });

  test("Debian 13: a reboot restores everything", async () => {
    await origin.host.reboot();
    await origin.startRelays();
    expect(await fromStranger()).toEqual(ONLY_SSH);
    expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
    await origin.seen("/");
  });

  test("Debian 13: nginx's configuration has today's form, so it causes no warning", async () => {
    const site = await origin.run(`cat /etc/nginx/sites-enabled/immich-access-${SITE}.conf`);
    expect(site).toContain("listen [::]:443 ssl;\n    http2 on;\n");
    expect(await origin.run("nginx -t 2>&1")).not.toMatch(/warn|deprecated/);
    const before = await origin.snapshot();
    await origin.apply("certificates", { ...certificates, firewall: line(4) });
    await origin.apply("nginx", nginxPayload);
    expect(await origin.snapshot()).toBe(before);
  });

  test("Debian 13: each directive of nginx's http block is known to the host agent", async () => {
    expect(await unknownDirectives(origin.host)).toEqual([]);
  });

  test.each(["ipv4", "ipv6"] as const)(
    "Debian 13: nginx serves only Cloudflare with its certificate, over %s",
    async (family) => {
      expect((await origin.seen("/api/server/ping?a=%2F", { family })).url).toBe("/api/server/ping?a=%2F");
      const impostor = selfSigned({ subject: [["CN", "pulls CA"]], ...VALID }, newKey("rsa"));
      for (const client of [null, clientCertificate(impostor)]) {
        expect((await origin.get("/", { client, family })).status).toBe(400);
      }
      for (const serverName of ["other.home.localhost", ""]) {
        await expect(origin.connect({ serverName, family }), serverName).rejects.toThrow(/unrecognized name/i);
      }
      const socket = await origin.connect({ protocols: ["h2", "http/1.1"], family });
      expect(socket.alpnProtocol).toBe("h2");
      socket.destroy();
    },
  );

  test("Debian 13: the daily refresh allows new ranges and blocks those that were given up", async () => {
    const api = await RangesApi.start(origin.host);
    try {
      await api.trust();
      const without = { ipv4: ["104.16.0.0/13", "188.114.96.0/20"], ipv6: ["2606:4700::/32", "2c0f:f248::/32"] };
      expect(await api.refresh(listed(without.ipv4, without.ipv6))).toMatchObject({
        code: 0,
        said: "Cloudflare has 2 IPv4 and 2 IPv6 ranges\n",
      });
      expect(await fromEdge()).toEqual(ONLY_SSH);
      expect((await api.refresh(listed(RANGES.ipv4, RANGES.ipv6))).code).toBe(0);
      expect(await fromEdge()).toEqual(SSH_AND_HTTPS);
    } finally {
      await api.close();
    }
  });

  test("Debian 13: removal gives back the ufw that was off, and leaves nothing of ours", async () => {
    await origin.apply("site-remove", { hostname: SITE });
    await origin.apply("firewall-remove", firewallPayload);
    expect(await fromStranger()).toMatchObject({ "22-v4": "open", "80-v4": "open", "80-v6": "open" });
    expect(await origin.run("ufw status; (iptables -S; ip6tables -S) | grep -cvE '^-P [A-Z]+ ACCEPT' || true")).toBe(
      "Status: inactive\n0",
    );
    expect(await origin.run("nginx -t 2>&1; systemctl is-active nginx")).toMatch(/successful\nactive$/);
    // The time of the timer's last run is systemd's to keep.
    const ours = "-path '*immich-access*' ! -path '/etc/ssh/*' ! -path '/var/lib/systemd/timers/*'";
    expect(await origin.run(`find /etc /usr/local /var/lib ${ours}`)).toBe("");
  });
});
