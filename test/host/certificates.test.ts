import { createHash, X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KeyPairPem, newKey, selfSigned } from "../../dev/sandbox/certificates/x509.ts";
import {
  certificatesPayload,
  clientCertificate,
  nginxPayload,
  Origin,
  serverCertificate,
  SITE,
  VALID,
} from "./support/origin.ts";

const DAY = 86_400_000;
const FOLDER = `/etc/immich-access/${SITE}`;

let origin: Origin;
let served: KeyPairPem;

beforeAll(async () => {
  origin = await Origin.start();
});
afterAll(() => origin.close());

const fingerprint = (pem: string) => createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");

/** Fingerprint of the certificate that a new connection gets. */
async function shown(): Promise<string> {
  const socket = await origin.connect();
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return createHash("sha256").update(raw).digest("hex");
}

async function install(): Promise<string> {
  served = serverCertificate();
  return origin.apply("certificates", certificatesPayload(served));
}

test("the certificates step installs all three files, the key for root only, and changes nothing the second time", async () => {
  const line = await install();
  const end = VALID.notAfter.toISOString().slice(0, 10);
  expect(line).toMatch(
    new RegExp(
      `^certificate ${fingerprint(served.certificate).slice(0, 16)} for ${SITE} until ${end}, ` +
        "clients of CA [0-9a-f]{16}, firewall change \\d+$",
    ),
  );
  expect(await origin.run(`stat -Lc '%n %a %U' ${FOLDER}/current/*`)).toBe(
    [
      `${FOLDER}/current/client-ca.pem 644 root`,
      `${FOLDER}/current/origin.key 600 root`,
      `${FOLDER}/current/origin.pem 644 root`,
    ].join("\n"),
  );
  expect(`${await origin.run(`cat ${FOLDER}/current/origin.key`)}\n`).toBe(served.privateKey);
  const before = await origin.snapshot();
  expect(await origin.apply("certificates", certificatesPayload(served))).toBe(line);
  expect(await origin.snapshot()).toBe(before);
});

describe("certificates that are refused", () => {
  const good = serverCertificate();
  const leaf = clientCertificate();
  const cases: [name: string, error: RegExp, change: () => Record<string, unknown>][] = [
    ["a key of the same type that is another", /does not belong/, () => ({ privateKey: newKey("ec").pem })],
    ["a key of another type", /does not belong/, () => ({ privateKey: newKey("rsa").pem })],
    ["text instead of a key", /not one unencrypted key/, () => ({ privateKey: "-----BEGIN PRIVATE KEY-----" })],
    ["a certificate for another name", /is not for photos\.home\.localhost/, () => pair("other.home.localhost")],
    ["an ended certificate", /ended on .* clock/, () => pair(SITE, { notAfter: new Date(Date.now() - 1000) })],
    ["a future certificate", /begins only on .* clock/, () => pair(SITE, { notBefore: new Date(Date.now() + DAY) })],
    ["text instead of a certificate", /origin certificate is not in PEM form/, () => ({ certificate: "photos" })],
    [
      "a key among the certificates",
      /not only a certificate/,
      () => ({ certificate: good.certificate + good.privateKey }),
    ],
    ["a leaf as CA", /is no CA/, () => ({ clientCa: leaf.certificate })],
    ["an expired CA", /CA of the origin pulls ended/, () => ({ clientCa: endedCa() })],
    ["no CA", /sites\[0\]\.clientCa is shorter than 1/, () => ({ clientCa: "" })],
    [
      "a site that leaves its folder",
      /sites\[0\]\.hostname has another form/,
      () => ({ hostname: "../../etc/cron.d" }),
    ],
  ];
  test.each(cases)("the certificates step refuses %s, and leaves the host as it was", async (_name, error, change) => {
    const payload = certificatesPayload(good, change());
    const before = await origin.snapshot();
    const said = await origin.refuse("certificates", payload);
    expect(said).toMatch(error);
    expect(said).toMatch(/^immich-access: [^\n]*nothing has been changed\n$/);
    expect(said).not.toContain("PRIVATE KEY");
    expect(await origin.snapshot()).toBe(before);
  });

  function pair(site: string, change = {}) {
    const { certificate, privateKey } = serverCertificate(site, change);
    return { certificate, privateKey };
  }

  function endedCa() {
    const period = { notBefore: new Date(Date.now() - 2 * DAY), notAfter: new Date(Date.now() - DAY) };
    return selfSigned({ subject: [["CN", "pulls"]], ...period }).certificate;
  }
});

describe("where nginx serves the site", () => {
  beforeAll(async () => {
    await install();
    await origin.apply("nginx", nginxPayload);
  });

  describe("renewals under load", () => {
    /** Visits from new connections, all the time while the body renews; gives those that failed. */
    async function failures(body: () => Promise<void>, client?: KeyPairPem): Promise<unknown[]> {
      const failed: unknown[] = [];
      let over = false;
      const visits = [1, 2, 3].map(async () => {
        let connections = 0;
        for (; !over; connections += 1) {
          await origin.seen("/", client && { client }).catch((error: unknown) => failed.push(error));
          await sleep(2);
        }
        return connections;
      });
      await body().finally(() => (over = true));
      // On a machine that is not busy each comes dozens of times.
      expect(Math.min(...(await Promise.all(visits)))).toBeGreaterThan(1);
      return failed;
    }

    test("the origin certificate is renewed under load, and no new connection fails", async () => {
      const renewals = async () => {
        for (let renewal = 0; renewal < 3; renewal++) {
          await install();
          expect(await shown()).toBe(fingerprint(served.certificate));
        }
      };
      expect(await failures(renewals)).toEqual([]);
      expect(await origin.run(`ls ${FOLDER}/generations | wc -l`)).toBe("1");
    });

    test("the CA of the origin pulls is renewed under load, and the former one is trusted until the nginx step", async () => {
      const next = selfSigned({ subject: [["CN", "next"]], ...VALID });
      const renewed = clientCertificate(next);
      const former = certificatesPayload(served).clientCa;
      const install = (clientCa: string) => origin.apply("certificates", certificatesPayload(served, { clientCa }));
      const trusted = () =>
        origin.run(`grep -c BEGIN ${FOLDER}/current/client-ca.pem; ls ${FOLDER}/generations | wc -l`);
      const [both, one] = ["2\n1", "1\n1"];

      expect(await failures(async () => void (await install(next.certificate)))).toEqual([]);
      expect(await trusted()).toBe(both);
      // Another run changes nothing about that.
      await install(next.certificate);
      expect((await origin.get("/")).status).toBe(200);

      const drop = async () => {
        await origin.refuse("nginx", { ...nginxPayload, upstream: "immich.invalid:2283" });
        expect((await origin.get("/")).status).toBe(200);
        await origin.apply("nginx", nginxPayload);
        expect((await origin.get("/")).status).toBe(400);
      };
      expect(await failures(drop, renewed)).toEqual([]);
      expect(await trusted()).toBe(one);

      // A change that is taken back before the nginx step: what the step says has the nginx step run again.
      const said = await install(next.certificate);
      await install(former);
      expect(await install(next.certificate)).not.toBe(said);
      await install(former);
      expect((await origin.get("/", { client: renewed })).status).toBe(200);
      await origin.apply("nginx", nginxPayload);
      expect((await origin.get("/", { client: renewed })).status).toBe(400);
      expect((await origin.get("/")).status).toBe(200);
    });
  });

  test("a key that does not match changes nothing on a host that serves the site", async () => {
    const before = await origin.snapshot();
    await origin.refuse("certificates", certificatesPayload(served, { privateKey: newKey("rsa").pem }));
    expect(await origin.snapshot()).toBe(before);
    expect(await shown()).toBe(fingerprint(served.certificate));
  });

  test("the certificates step leaves alone an nginx configuration that the owner broke", async () => {
    await origin.run("echo 'nonsense;' >/etc/nginx/conf.d/owner.conf");
    const before = await origin.snapshot();
    const said = await origin.refuse("certificates", certificatesPayload(serverCertificate()));
    expect(said).toMatch(/refuses its configuration already: unknown directive "nonsense" in .*owner\.conf:1/);
    expect(await origin.snapshot()).toBe(before);
    expect(await shown()).toBe(fingerprint(served.certificate));
    await origin.run("rm /etc/nginx/conf.d/owner.conf");
  });

  test("a certificate that nginx does not serve is rolled back", async () => {
    // Another server of the owner's takes the connections that the step makes to see the result.
    await origin.run(
      "cat >/etc/nginx/conf.d/owner.conf <<'END'\n" +
        `server { listen 198.51.100.10:443 ssl; listen [2001:db8:77::10]:443 ssl; server_name ${SITE};\n` +
        "  ssl_certificate /etc/nginx/owner.pem; ssl_certificate_key /etc/nginx/owner.pem; }\nEND\n" +
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=owner -keyout /etc/nginx/owner.pem " +
        "-out /etc/nginx/owner.crt 2>&1 && cat /etc/nginx/owner.crt >>/etc/nginx/owner.pem && systemctl reload nginx",
    );
    const target = await origin.run(`readlink ${FOLDER}/current`);
    const said = await origin.refuse("certificates", certificatesPayload(serverCertificate()));
    expect(said).toMatch(/nginx does not serve the certificate [0-9a-f]{16} for .*; everything is as before/);
    expect(await origin.run(`readlink ${FOLDER}/current; ls ${FOLDER}/generations`)).toBe(
      `${target}\n${target.replace("generations/", "")}`,
    );
    await origin.run("rm /etc/nginx/conf.d/owner.conf");
    await origin.reloadNginx();
    expect(await shown()).toBe(fingerprint(served.certificate));
    await install();
  });

  test.each([
    ["before it changes a file", "[ -e /run/immich-access-nginx ]"],
    ["while the new files wait", `[ $(ls ${FOLDER}/generations | wc -l) = 2 ]`],
    ["when the new files are current", `[ $(readlink ${FOLDER}/current) != $former ]`],
  ])(
    "a certificates step that is killed %s leaves a pair that nginx can load, and the next one succeeds",
    async (_when, reached) => {
      const payload = certificatesPayload(serverCertificate());
      const former = await origin.run(`readlink ${FOLDER}/current`);
      const killed = origin.run(
        `former=${former}; until ${reached}; do :; done; kill -KILL $(sed 's/.* \\([0-9]*\\))/\\1/' /run/immich-access.lock)`,
      );
      const { code } = await origin.host.step("certificates", payload);
      await killed;
      expect(code).not.toBe(0);
      await origin.run("nginx -t 2>&1");
      await origin.apply("certificates", payload);
      expect(await shown()).toBe(fingerprint(payload.certificate));
      expect(await origin.run(`ls ${FOLDER}/generations | wc -l`)).toBe("1");
    },
  );

  test("damaged certificate files are repaired", async () => {
    await install();
    await origin.run(`echo >${FOLDER}/current/origin.key; rm ${FOLDER}/current/client-ca.pem`);
    await origin.apply("certificates", certificatesPayload(served));
    await origin.run("nginx -t 2>&1");
    expect((await origin.get("/")).status).toBe(200);
  });

  test("a certificate that waits for a reload gets one", async () => {
    const before = await origin.run("pgrep -f '^nginx: worker process$'");
    await origin.run("touch /run/immich-access-nginx");
    await origin.apply("certificates", certificatesPayload(served));
    expect(await origin.run("pgrep -f '^nginx: worker process$'")).not.toBe(before);
    expect(await origin.run("ls /run/immich-access-nginx 2>&1 || true")).toContain("No such file");
  });

  test("certificate files stay as long as a server of the owner's own uses them", async () => {
    const [certificate, key] = ["origin.pem", "origin.key"].map((name) => `${FOLDER}/current/${name}`);
    const server = `server { listen 127.0.0.1:8443 ssl; ssl_certificate ${certificate}; ssl_certificate_key ${key}; }`;
    await origin.run(`echo '${server}' >/etc/nginx/conf.d/owner.conf`);
    expect(await origin.refuse("site-remove", { hostname: SITE })).toContain("still uses");
    await origin.run(`test -e ${certificate}; rm /etc/nginx/conf.d/owner.conf`);
  });

  test("certificate files are removed with the site, and a second removal changes nothing", async () => {
    expect(await origin.apply("site-remove", { hostname: SITE })).toBe(`${SITE} is not on this host`);
    expect(await origin.run("ls /etc/immich-access")).toBe("guard.nft");
    await origin.apply("site-remove", { hostname: SITE });
  });
});
