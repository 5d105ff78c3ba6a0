import { X509Certificate } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  answer,
  certificatesPayload,
  firewallPayload,
  nginxPayload,
  Origin,
  type RequestOptions,
  serverCertificate,
  SITE,
  UPSTREAM,
} from "./support/origin.ts";

const OWNER = "/etc/nginx/conf.d/owner.conf";
const ENABLED = `/etc/nginx/sites-enabled/immich-access-${SITE}.conf`;
const UNKNOWN_NAMES = "/etc/nginx/sites-enabled/immich-access-unknown-names.conf";
const RANGES_FILE = "/etc/nginx/immich-access/cloudflare-ranges.conf";
const OTHER = "album.home.localhost";

const server = serverCertificate();
let origin: Origin;

const remove = (site = SITE) => origin.apply("site-remove", { hostname: site });

beforeAll(async () => {
  origin = await Origin.start();
  await origin.apply("certificates", certificatesPayload(server));
  await origin.run(
    "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=owner -keyout /etc/ssl/owner.key -out /etc/ssl/owner.pem 2>&1",
  );
});
afterEach(async () => {
  // A fast machine starts nginx here more often than systemd lets a unit start within ten seconds.
  await origin.run(`rm -f ${OWNER}; systemctl reset-failed nginx; systemctl restart nginx`);
});
afterAll(() => origin.close());

/** A server of the owner's own; it answers with its name. */
async function ownersServer(listen: string, name: string, rest = ""): Promise<void> {
  const config =
    `server { listen ${listen}; server_name ${name}; ssl_certificate /etc/ssl/owner.pem; ` +
    `ssl_certificate_key /etc/ssl/owner.key; ${rest} location / { return 200 ${name}; } }`;
  await origin.run(`echo '${config}' >>${OWNER}`);
  await origin.reloadNginx();
}

/** A visit to the owner's server: no client certificate, and another name. */
const toOwner = (name: string, change: RequestOptions = {}): RequestOptions => ({
  serverName: name,
  client: null,
  ca: false,
  headers: { host: name },
  ...change,
});

const DROP_IN = "/run/systemd/system/nginx.service.d";

/** Stops nginx and changes its unit for the body. */
async function withUnit(change: string, body: () => Promise<void>): Promise<void> {
  await origin.run(
    `systemctl stop nginx; mkdir ${DROP_IN}; printf '${change}' >${DROP_IN}/test.conf; systemctl daemon-reload`,
  );
  try {
    await body();
  } finally {
    await origin.run(`rm -r ${DROP_IN}; systemctl daemon-reload`);
  }
}

const workers = () => origin.run("pgrep -f '^nginx: worker process$'");

describe("rollbacks", () => {
  test("the nginx step leaves alone a configuration that the owner broke", async () => {
    await origin.run(`echo 'nonsense;' >${OWNER}`);
    const before = await origin.snapshot();
    expect(await origin.refuse("nginx", nginxPayload)).toMatch(
      /^immich-access: nginx refuses its configuration already: unknown directive "nonsense" in .*nothing has been changed\n$/,
    );
    expect(await origin.snapshot()).toBe(before);
  });

  test("an upstream that nginx cannot resolve is rolled back", async () => {
    const before = await files();
    const said = await origin.refuse("nginx", { ...nginxPayload, upstream: "immich.invalid:2283" });
    expect(said).toMatch(
      /refuses its configuration: host not found in upstream "immich\.invalid.*everything is as before\n$/,
    );
    expect(await files()).toBe(before);
  });

  test("a site whose connections another server takes is rolled back", async () => {
    // nginx takes the first of two servers for one name.
    await ownersServer("443 ssl; listen [::]:443 ssl", SITE);
    const before = await files();
    expect(await origin.refuse("nginx", nginxPayload)).toMatch(
      /nginx does not serve the certificate [0-9a-f]{16} for photos\.home\.localhost at 198\.51\.100\.10; everything is as before\n$/,
    );
    expect(await files()).toBe(before);
    expect((await origin.get("/", toOwner(SITE))).body).toBe(SITE);
  });

  test.each([
    [
      "443",
      /`listen 443` \(\/etc\/nginx\/conf\.d\/owner\.conf:1\) has port 443 without TLS, .*nothing has been changed\n$/,
    ],
    [
      "443 ssl proxy_protocol",
      /expects the PROXY protocol, which Cloudflare does not speak; .*nothing has been changed\n$/,
    ],
  ])(
    "the nginx step refuses a server of the owner's that ours cannot share the port with: listen %s",
    async (listen, said) => {
      await ownersServer(listen, "blog.home.localhost");
      const before = await origin.snapshot();
      expect(await origin.refuse("nginx", nginxPayload)).toMatch(said);
      expect(await origin.snapshot()).toBe(before);
    },
  );

  test("the nginx step reads the owner's files even if nginx refuses ours", async () => {
    await origin.apply("nginx", nginxPayload);
    await origin.run(`echo nonsense >>${ENABLED}; echo 'post_action /x;' >${OWNER}`);
    const before = await files();
    expect(await origin.refuse("nginx", nginxPayload)).toContain("post_action in the http block");
    expect(await files()).toBe(before);
    await origin.run(`rm ${OWNER}`);
    await origin.apply("nginx", nginxPayload);
    await remove();
    await origin.apply("certificates", certificatesPayload(server));
  });

  test("a port that another program uses is rolled back", async () => {
    await origin.run(
      "systemd-run --quiet --unit owner-https /usr/bin/python3 -c " +
        "'import socket, time; s = socket.create_server((\"\", 443)); time.sleep(600)'",
    );
    await origin.listening("0.0.0.0:443");
    const before = await origin.snapshot();
    expect(await origin.refuse("nginx", nginxPayload)).toMatch(
      /port 443 of 0\.0\.0\.0 is held by python3 \(process \d+\), and nginx needs it; .*; nothing has been changed\n$/,
    );
    expect(await origin.snapshot()).toBe(before);
    await origin.run("systemctl stop owner-https");
  });

  test("the nginx step refuses an nginx that cannot start because another program has a port that it wants", async () => {
    const listen = "import socket, time; s = socket.create_server((chr(0)[1:], 80)); time.sleep(600)";
    await origin.run(`systemctl stop nginx; systemd-run --quiet --unit owner-http /usr/bin/python3 -c '${listen}'`);
    await origin.listening("0.0.0.0:80");
    const before = await origin.snapshot();
    expect(await origin.refuse("nginx", nginxPayload)).toMatch(
      /nginx cannot start: port 80 of 0\.0\.0\.0 is held by python3 .* `listen 80 default_server` \(\/etc\/nginx\/sites-enabled\/default:\d+\) wants it, .*nothing has been changed\n$/,
    );
    expect(await origin.snapshot()).toBe(before);
    await origin.run("systemctl stop owner-http; systemctl start nginx");
  });

  test("a failed start is rolled back: nginx is stopped and disabled again", async () => {
    await ownersServer("443 ssl", SITE);
    await origin.run("systemctl disable --now nginx 2>&1");
    await origin.refuse("nginx", nginxPayload);
    expect(await state()).toBe("inactive disabled");
    await origin.run("systemctl enable nginx 2>&1");
  });

  test("a start that systemd reports as failed is rolled back", async () => {
    await withUnit("[Service]\\nExecStartPre=/bin/false\\n", async () => {
      expect(await origin.refuse("nginx", nginxPayload)).toMatch(
        /nginx does not start: Job for nginx\.service failed because .*; everything is as before\n$/,
      );
    });
  });

  test("the nginx step changes nothing without certificates or ranges", async () => {
    const payload = { ...nginxPayload, hostname: OTHER };
    expect(await origin.refuse("nginx", payload)).toMatch(/origin\.pem is missing; the certificates step installs it/);
    await origin.run("mv /var/lib/immich-access/ranges.json /tmp");
    expect(await origin.refuse("nginx", nginxPayload)).toContain("the firewall step has not run on this host");
    await origin.run("mv /tmp/ranges.json /var/lib/immich-access/");
  });

  /** Everything in nginx's folders but the times. */
  const files = () => origin.run("cd /etc/nginx && find . -type f -exec sha256sum {} + | sort; find . -type l | sort");
});

const state = () =>
  origin.run("echo $(systemctl is-active nginx || true) $(systemctl is-enabled nginx 2>/dev/null || true)");

describe("states that the step repairs or accepts", () => {
  test("a stopped and disabled nginx is started, now and at boot", async () => {
    await origin.run("systemctl disable --now nginx 2>&1");
    await origin.apply("nginx", nginxPayload);
    expect(await state()).toBe("active enabled");
    await origin.seen("/");
  });

  test("nginx is started although systemd limits its starts", async () => {
    await withUnit("[Unit]\\nStartLimitIntervalSec=1h\\n", async () => {
      await origin.run("for again in 1 2 3 4 5 6; do systemctl restart nginx; done; ! systemctl start nginx");
      await origin.apply("nginx", nginxPayload);
      expect(await state()).toBe("active enabled");
    });
  });

  test("the site is served again after a reboot", async () => {
    await origin.host.reboot();
    await origin.startRelays();
    await origin.seen("/");
    const before = await origin.snapshot();
    await origin.apply("nginx", nginxPayload);
    expect(await origin.snapshot()).toBe(before);
  });

  test("a site that was edited or disabled by hand is restored", async () => {
    const line = await origin.apply("nginx", nginxPayload);
    await origin.run(`sed -i 's/ssl_verify_client on/ssl_verify_client off/' ${ENABLED} && systemctl reload nginx`);
    expect(await origin.apply("nginx", nginxPayload)).toBe(line);
    expect((await origin.get("/", { client: null })).status).toBe(400);
    await origin.run(`rm ${ENABLED} && systemctl reload nginx`);
    expect(await origin.apply("nginx", nginxPayload)).toBe(line);
    await origin.seen("/");
  });

  test.each(["certificates", "nginx"])("ranges that were removed by hand are restored by the step %s", async (step) => {
    await origin.run(`rm ${RANGES_FILE}`);
    await origin.apply(step, step === "nginx" ? nginxPayload : certificatesPayload(server));
    await origin.apply("nginx", nginxPayload);
    expect((await origin.seen("/", { headers: { "cf-connecting-ip": "192.0.2.7" } })).headers["x-real-ip"]).toBe(
      "192.0.2.7",
    );
  });

  test("ranges that were edited by hand and are in use are restored", async () => {
    await origin.run(`echo 'set_real_ip_from 0.0.0.0/0;' >${RANGES_FILE} && systemctl reload nginx`);
    const before = await workers();
    const line = await origin.apply("nginx", nginxPayload);
    expect(await workers()).not.toBe(before);
    expect(await origin.run(`cat ${RANGES_FILE}`)).not.toContain("0.0.0.0");
    expect(await origin.apply("nginx", nginxPayload)).toBe(line);
  });

  test("files that nginx has not loaded yet are loaded", async () => {
    await origin.apply("nginx", nginxPayload);
    const before = await workers();
    await origin.run("touch /run/immich-access-nginx");
    await origin.apply("nginx", nginxPayload);
    expect(await workers()).not.toBe(before);
  });

  test("a user's process whose name is no text, and a comment in another encoding, stop no step", async () => {
    const program = 'import ctypes, time; ctypes.CDLL(None).prctl(15, b"M\\xfcller"); time.sleep(600)';
    await origin.run(`systemd-run -q --unit odd-name --uid nobody /usr/bin/python3 -c '${program}'`);
    await origin.run("printf '# M\\374ller\\n' >/etc/nginx/conf.d/owner.conf; touch /run/immich-access-nginx");
    const before = await workers();
    await origin.apply("nginx", nginxPayload);
    expect(await workers()).not.toBe(before);
    await origin.run("systemctl stop odd-name; rm /etc/nginx/conf.d/owner.conf");
  });

  test("a server of the owner's own stays beside the site", async () => {
    await ownersServer("443 ssl", "blog.home.localhost");
    await origin.apply("nginx", nginxPayload);
    expect((await origin.get("/", toOwner("blog.home.localhost"))).body).toBe("blog.home.localhost");
    // Through the owner's server nobody gets to the site.
    const sneaking = toOwner("blog.home.localhost", { headers: { host: SITE } });
    expect((await origin.get("/", sneaking)).status).toBe(421);
  });

  test("a default server of the owner's own stays the default", async () => {
    await remove();
    await origin.apply("certificates", certificatesPayload(server));
    await ownersServer("443 ssl default_server", "blog.home.localhost", "ssl_verify_client optional_no_ca;");
    expect(await origin.apply("nginx", nginxPayload)).toMatch(
      new RegExp(`config [0-9a-f]{12}, unknown names are answered by ${OWNER}$`),
    );
    await origin.seen("/");
    expect((await origin.get("/", toOwner("any.home.localhost"))).body).toBe("blog.home.localhost");
    await expect(origin.connect({ serverName: "any.home.localhost", family: "ipv6" })).rejects.toThrow(
      /unrecognized name/i,
    );
    // Neither by the request's name alone, with a certificate of one's own or without
    for (const client of [null, undefined]) {
      const sneaking = toOwner("", { headers: { host: SITE }, ...(client === null && { client }) });
      expect((await origin.get("/", sneaking)).status).toSatisfy((status) => status === 400 || status === 421);
    }
    await origin.run(`rm ${OWNER}`);
    expect(await origin.apply("nginx", nginxPayload)).toMatch(/config [0-9a-f]{12}$/);
    await expect(origin.connect({ serverName: "any.home.localhost" })).rejects.toThrow(/unrecognized name/i);
  });

  test("an nginx.conf of the owner's own that no longer includes our site is handled", async () => {
    await origin.apply("nginx", nginxPayload);
    // What is set here for all sites holds for those that say nothing themselves.
    const main =
      "user www-data; events {} http { include /etc/nginx/conf.d/*.conf; client_max_body_size 1m; keepalive_timeout 1; " +
      "ssl_protocols TLSv1.3; ssl_verify_depth 0; proxy_buffering on; proxy_set_header X-Real-IP 10.0.0.1; " +
      'add_header X-Owner "yes"; server { listen 443 ssl; listen [::]:443 ssl; server_name blog.home.localhost; ' +
      "ssl_certificate /etc/ssl/owner.pem; ssl_certificate_key /etc/ssl/owner.key; return 200 blog.home.localhost; } }";
    await origin.run(
      `cp /etc/nginx/nginx.conf /tmp && echo '${main}' >/etc/nginx/nginx.conf && systemctl restart nginx`,
    );
    const ours = () => origin.run("cd /etc/nginx && find . -name 'immich-access-*' | sort");
    for (const [folders, restore] of [
      [["conf.d"], "cp /tmp/nginx.conf /etc/nginx/"],
      [["sites-available", "sites-enabled"], "true"],
    ] as const) {
      const line = await origin.apply("nginx", nginxPayload);
      const names = [SITE, "unknown-names"].map((name) => `immich-access-${name}.conf`);
      expect(await ours()).toBe(folders.flatMap((folder) => names.map((name) => `./${folder}/${name}`)).join("\n"));
      const body = Buffer.alloc(2 << 20);
      const upload = await origin.request("/api/assets", {
        method: "POST",
        headers: { "content-length": body.length },
      });
      upload.end(body);
      expect((await answer(upload)).status).toBe(200);
      expect((await origin.get("/", { client: null })).status).toBe(400);
      if (folders.length === 1)
        expect((await origin.get("/", toOwner("blog.home.localhost"))).body).toBe("blog.home.localhost");
      const before = await origin.snapshot();
      expect(await origin.apply("nginx", nginxPayload)).toBe(line);
      expect(await origin.snapshot()).toBe(before);
      await origin.run(restore);
    }
  });

  test("an nginx that cannot reject handshakes shows an empty certificate and closes", async () => {
    // What Ubuntu 22.04 has; the program's own version is believed.
    await origin.run(
      "mv /usr/sbin/nginx /usr/sbin/nginx.real && printf '%s\\n' '#!/bin/sh' " +
        "'[ \"$*\" = -v ] && exec echo nginx version: nginx/1.18.0 >&2' 'exec /usr/sbin/nginx.real \"$@\"' " +
        ">/usr/sbin/nginx && chmod 755 /usr/sbin/nginx",
    );
    const line = await origin.apply("nginx", nginxPayload);
    expect(await origin.run("stat -c %a /etc/nginx/immich-access/unknown-names.pem")).toBe("600");
    await origin.seen("/");
    await expect(origin.get("/", toOwner("any.home.localhost"))).rejects.toThrow("socket hang up");
    const before = await origin.snapshot();
    expect(await origin.apply("nginx", nginxPayload)).toBe(line);
    expect(await origin.snapshot()).toBe(before);
    await origin.run("mv /usr/sbin/nginx.real /usr/sbin/nginx");
    await origin.apply("nginx", nginxPayload);
    expect(await origin.run("ls /etc/nginx/immich-access")).toBe("cloudflare-ranges.conf");
  });
});

describe("several sites, and their removal", () => {
  const other = { ...nginxPayload, hostname: OTHER };

  test("two sites share the server for unknown names, which is removed with the last", async () => {
    await origin.apply("nginx", nginxPayload);
    await origin.apply("certificates", certificatesPayload(serverCertificate(OTHER), { hostname: OTHER }));
    await origin.apply("nginx", other);
    await origin.seen("/");
    await origin.seen("/", { serverName: OTHER, headers: { host: OTHER } });

    expect(await remove(OTHER)).toBe(`${OTHER} is not on this host`);
    await expect(origin.connect({ serverName: OTHER })).rejects.toThrow(/unrecognized name/i);
    await origin.seen("/");
    await origin.run(`test -e ${UNKNOWN_NAMES}`);

    await ownersServer("127.0.0.1:8443 ssl", "blog.home.localhost");
    await remove();
    await expect(origin.connect()).rejects.toThrow();
    expect(await origin.run("find /etc/nginx/ -name '*immich*' ! -type d")).toBe("");
    expect(await state()).toBe("active enabled");
    expect(await origin.run("curl -sk https://127.0.0.1:8443/")).toBe("blog.home.localhost");
  });

  test("one step adds two sites, both or neither", async () => {
    const { hostname: _, ...same } = nginxPayload;
    const both = { sites: [nginxPayload, { ...same, hostname: OTHER }] };
    await origin.apply("certificates", certificatesPayload(server));
    const before = await origin.snapshot();
    expect(await origin.refuse("nginx", both)).toMatch(/album\.home\.localhost\/current\/origin\.pem is missing/);
    expect(await origin.snapshot()).toBe(before);

    const certificates = {
      sites: [certificatesPayload(server), certificatesPayload(serverCertificate(OTHER), { hostname: OTHER })],
    };
    const wrong = { sites: [...certificates.sites, certificatesPayload(server, { hostname: "third.home.localhost" })] };
    expect(await origin.refuse("certificates", wrong)).toContain("is not for third.home.localhost");
    expect(await origin.snapshot()).toBe(before);
    expect((await origin.apply("certificates", certificates)).split("\n")).toEqual(
      [SITE, OTHER].map((site): unknown => expect.stringMatching(`^certificate [0-9a-f]{16} for ${site} until `)),
    );
    expect(await origin.apply("nginx", both)).toMatch(
      `nginx serves ${SITE} for ${UPSTREAM} and ${OTHER} for ${UPSTREAM}, config `,
    );
    await origin.seen("/");
    await origin.seen("/", { serverName: OTHER, headers: { host: OTHER } });

    // What serves already takes new certificates of both by one reload.
    const renewed = [SITE, OTHER].map((site) => certificatesPayload(serverCertificate(site), { hostname: site }));
    await origin.apply("certificates", { sites: renewed });
    for (const [place, serverName] of [SITE, OTHER].entries()) {
      const socket = await origin.connect({ serverName });
      const shown = socket.getPeerX509Certificate()?.fingerprint256;
      socket.destroy();
      expect(shown).toBe(new X509Certificate(renewed[place]?.certificate ?? "").fingerprint256);
    }
    await remove(OTHER);
    await remove();
  });

  test("a site that another stack has added since stays, and can be removed too", async () => {
    const owned = (owner: string) => ({ owner, hostname: SITE });
    await origin.apply("firewall", { ...firewallPayload, ...owned("home/") });
    await origin.apply("certificates", certificatesPayload(server));
    await origin.apply("nginx", nginxPayload);
    await origin.apply("firewall", { ...firewallPayload, ...owned("home/203.0.113.20") });
    const before = await origin.snapshot();
    expect(await origin.apply("site-remove", owned("home/"))).toMatch(`${SITE} stays on this host`);
    expect(await origin.apply("firewall-remove", { ...firewallPayload, ...owned("home/") })).toBe(
      `port 443 stays open to Cloudflare for ${SITE}`,
    );
    expect(await origin.snapshot()).toBe(before);
    await origin.seen("/");
    await origin.apply("site-remove", owned("home/203.0.113.20"));
    await origin.run(`test ! -e ${ENABLED}`);
    await origin.apply("firewall", firewallPayload);
  });

  describe("an up that failed before nginx served the site", () => {
    const [HOME, AWAY] = [{ owner: "home/" }, { owner: "away/" }];
    const { hostname: _, ...wants } = firewallPayload;
    const sites = (...names: string[]) => names.map((hostname) => ({ ...wants, hostname }));
    /** What the host has of other sites than the first: certificates, and what keeps port 443 open. */
    const left = async () => {
      const stored = await origin.run("ls --ignore=guard.nft /etc/immich-access");
      const known = await origin.run(
        "grep -o '[a-z]*\\.home\\.localhost' /var/lib/immich-access/firewall-sites.json || true",
      );
      return [stored, known].map((names) => names.split("\n").filter((name) => !["", SITE].includes(name)));
    };

    test("an abandoned site is removed by the next nginx step, another stack's stays", async () => {
      await origin.apply("firewall", { ...firewallPayload, ...HOME, sites: sites(SITE, OTHER) });
      await origin.apply("firewall", { ...firewallPayload, ...AWAY, sites: sites("away.home.localhost") });
      for (const site of [SITE, OTHER, "away.home.localhost"]) {
        await origin.apply("certificates", certificatesPayload(serverCertificate(site), { hostname: site }));
      }
      await origin.apply("nginx", { ...nginxPayload, ...HOME });
      expect(await left()).toEqual([["away.home.localhost"], ["away.home.localhost"]]);
    });

    test("a stack's abandoned sites are removed with its firewall", async () => {
      await origin.apply("firewall-remove", { ...firewallPayload, ...AWAY, sites: sites("away.home.localhost", SITE) });
      expect(await left()).toEqual([[], []]);
      await origin.seen("/");
      await origin.apply("site-remove", { ...HOME, hostname: SITE });
      await origin.apply("firewall", firewallPayload);
    });
  });

  test("a second removal of a site changes nothing", async () => {
    const before = await origin.snapshot();
    expect(await remove()).toBe(`${SITE} is not on this host`);
    expect(await origin.snapshot()).toBe(before);
  });

  test("a configuration that the owner broke keeps the site, and the removal says so", async () => {
    await origin.apply("certificates", certificatesPayload(server));
    await origin.apply("nginx", nginxPayload);
    await origin.run(`echo 'nonsense;' >${OWNER}`);
    expect(await origin.refuse("site-remove", { hostname: SITE })).toMatch(/refuses its configuration already/);
    await origin.seen("/");
  });

  test("a removal leaves a stopped nginx stopped", async () => {
    await origin.run("systemctl stop nginx");
    await remove();
    expect(await state()).toBe("inactive enabled");
    await origin.run(`test ! -e ${ENABLED}`);
  });

  test("a removal works if nginx is gone and its files are left", async () => {
    await origin.apply("certificates", certificatesPayload(server));
    await origin.apply("nginx", { ...nginxPayload, upstream: UPSTREAM });
    await origin.run("systemctl stop nginx; mv /usr/sbin/nginx /usr/sbin/nginx.real; mv /etc/nginx/nginx.conf /tmp");
    await remove();
    await origin.run(`test ! -e ${ENABLED}`);
    expect(await origin.refuse("nginx", nginxPayload)).toContain(
      "nginx is not installed; the firewall step installs it",
    );
    await origin.run("mv /usr/sbin/nginx.real /usr/sbin/nginx; mv /tmp/nginx.conf /etc/nginx/");
  });
});
