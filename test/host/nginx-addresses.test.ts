// Visitors come to the host's own addresses. Another server of nginx's may have one of them for itself.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ORIGIN } from "../../dev/sandbox/network/network.ts";
import {
  certificatesPayload,
  nginxPayload,
  Origin,
  type RequestOptions,
  serverCertificate,
  SITE,
} from "./support/origin.ts";

const OWNER = "/etc/nginx/conf.d/owner.conf";
const NEXTCLOUD = "nextcloud.home.localhost";
const EVERY = "listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n    ";

let origin: Origin;

beforeAll(async () => {
  origin = await Origin.start();
  await origin.apply("certificates", certificatesPayload(serverCertificate()));
  await origin.run(
    "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=owner -keyout /etc/ssl/owner.key -out /etc/ssl/owner.pem 2>&1",
  );
});
afterEach(async () => {
  await origin.apply("site-remove", { hostname: SITE });
  await origin.run(`rm -f ${OWNER}; systemctl reset-failed nginx; systemctl restart nginx`);
  await origin.apply("certificates", certificatesPayload(serverCertificate()));
});
afterAll(() => origin.close());

/** A server of the owner's as hosting panels write it; nginx has loaded it. */
async function panel(...listens: string[]): Promise<void> {
  const text =
    `server { ${listens.map((listen) => `listen ${listen};`).join(" ")} server_name ${NEXTCLOUD}; ` +
    `ssl_certificate /etc/ssl/owner.pem; ssl_certificate_key /etc/ssl/owner.key; location / { return 200 ${NEXTCLOUD}; } }`;
  await origin.reloadNginx(`echo '${text}' >${OWNER}`);
}

const toPanel = (change: RequestOptions = {}): RequestOptions => ({
  serverName: NEXTCLOUD,
  client: null,
  ca: false,
  headers: { host: NEXTCLOUD },
  ...change,
});
const site = () => origin.run(`cat /etc/nginx/sites-enabled/immich-access-${SITE}.conf`);
const master = () => origin.run("systemctl show --property=MainPID --value nginx");

describe("another server on", () => {
  test("every address, and one more for itself: both are served, without a restart", async () => {
    await panel("443 ssl", "[::]:443 ssl", `${ORIGIN.ipv4}:443 ssl http2`);
    const before = await master();
    await origin.apply("nginx", nginxPayload);
    expect(await site()).toContain(`${EVERY}listen ${ORIGIN.ipv4}:443 ssl http2;\n`);
    for (const family of ["ipv4", "ipv6"] as const) {
      expect((await origin.seen("/", { family })).url).toBe("/");
      expect((await origin.get("/", { family, client: null })).status).toBe(400);
      expect((await origin.get("/", toPanel({ family }))).body).toBe(NEXTCLOUD);
      await expect(origin.connect({ serverName: "other.home.localhost", family })).rejects.toThrow(
        /unrecognized name/i,
      );
    }
    expect(await master()).toBe(before);
    const state = await origin.snapshot();
    await origin.apply("nginx", nginxPayload);
    expect(await origin.snapshot()).toBe(state);
  });

  test("single addresses alone: nginx is restarted for all others, and again when the site goes", async () => {
    await panel(`${ORIGIN.ipv4}:443 ssl http2`, `[${ORIGIN.ipv6}]:443 ssl http2`);
    const before = await master();
    await origin.apply("nginx", nginxPayload);
    for (const family of ["ipv4", "ipv6"] as const) {
      expect((await origin.seen("/", { family })).url).toBe("/");
      expect((await origin.get("/", toPanel({ family }))).body).toBe(NEXTCLOUD);
    }
    expect(await origin.run("ss -Hltn sport = 443 | awk '{ print $4 }' | sort")).toBe("0.0.0.0:443\n[::]:443");
    expect(await master()).not.toBe(before);
    const state = await origin.snapshot();
    await origin.apply("nginx", nginxPayload);
    expect(await origin.snapshot()).toBe(state);

    await origin.apply("site-remove", { hostname: SITE });
    expect((await origin.get("/", toPanel())).body).toBe(NEXTCLOUD);
    await expect(origin.connect()).rejects.toThrow();
    expect(await origin.run("ss -Hltn sport = 443 | awk '{ print $4 }' | sort")).toBe(
      `${ORIGIN.ipv4}:443\n[${ORIGIN.ipv6}]:443`,
    );
  });

  test("a single address, as its default: unknown names there stay its own", async () => {
    await panel(`${ORIGIN.ipv4}:443 ssl default_server`);
    expect(await origin.apply("nginx", nginxPayload)).toMatch(new RegExp(`, unknown names are answered by ${OWNER}$`));
    expect((await origin.get("/", toPanel({ serverName: "any.home.localhost" }))).body).toBe(NEXTCLOUD);
    await expect(origin.connect({ serverName: "any.home.localhost", family: "ipv6" })).rejects.toThrow(
      /unrecognized name/i,
    );
    expect((await origin.get("/", toPanel({ headers: { host: SITE } }))).status).toBe(421);
    await origin.seen("/");
  });

  test("an address that comes later is found by the doctor, and shared by the next step", async () => {
    await origin.apply("nginx", nginxPayload);
    await panel(`${ORIGIN.ipv4}:443 ssl`);
    await expect(origin.get("/")).rejects.toThrow();
    const examined = async () => {
      const told = { ...nginxPayload, upstreamPort: 2283, tokenCheck: false, sshPort: 22, confirmSeconds: 60 };
      const { answer } = await origin.host.step("doctor", told);
      const { sites } = answer as {
        sites: Record<string, { checks: Record<string, { status: string; says: string }> }>;
      };
      return sites[SITE]?.checks["guard"];
    };
    expect(await examined()).toMatchObject({
      status: "wrong",
      says: expect.stringMatching(
        `does not serve the certificate [0-9a-f]{16} for ${SITE} at ${ORIGIN.ipv4}`,
      ) as string,
    });
    await origin.apply("nginx", nginxPayload);
    await origin.seen("/");
    expect(await examined()).toMatchObject({ status: "ok" });
  });

  test("loopback alone is left to it", async () => {
    await panel("127.0.0.1:8443 ssl");
    await origin.apply("nginx", nginxPayload);
    expect(await site()).toContain(`${EVERY}server_name`);
    expect(await origin.run("curl -sk https://127.0.0.1:8443/")).toBe(NEXTCLOUD);
  });
});

describe("a host name of", () => {
  const long = (length: number) => {
    const name = `${"abcdefghij.".repeat(30)}`.slice(0, length - 15);
    return `${name.replace(/\.$/, "x")}.home.localhost`;
  };
  test.each([47, 64, 120, 200])("%d characters works", async (length) => {
    const hostname = long(length);
    expect(hostname).toHaveLength(length);
    const payload = { ...nginxPayload, hostname };
    await origin.apply("certificates", certificatesPayload(serverCertificate(hostname), { hostname }));
    await origin.apply("nginx", payload);
    expect((await origin.seen("/", { serverName: hostname, headers: { host: hostname } })).headers.host).toBe(hostname);
    const state = await origin.snapshot();
    await origin.apply("nginx", payload);
    expect(await origin.snapshot()).toBe(state);
    await origin.apply("site-remove", { hostname });
    expect(await origin.run("find /etc/nginx/ -name '*immich-access-*'")).toBe("");
  });

  test("120 characters works with the owner's own size, or is refused by it", async () => {
    const hostname = long(120);
    const payload = { ...nginxPayload, hostname };
    await origin.apply("certificates", certificatesPayload(serverCertificate(hostname), { hostname }));
    await origin.run(`echo 'server_names_hash_bucket_size 128;' >${OWNER}`);
    expect(await origin.refuse("nginx", payload)).toMatch(
      /server_names_hash_bucket_size 128 \(\/etc\/nginx\/conf\.d\/owner\.conf:1\) is too small for .*; set it to 256 there; nothing has been changed\n$/,
    );
    await origin.run(`echo 'server_names_hash_bucket_size 256;' >${OWNER}`);
    await origin.apply("nginx", payload);
    await origin.seen("/", { serverName: hostname, headers: { host: hostname } });
    await origin.apply("site-remove", { hostname });
  });
});
