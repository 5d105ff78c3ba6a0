// The server for public shares in a real nginx: which requests it forwards, and that Immich is never its upstream.

import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newKey, selfSigned } from "../../dev/sandbox/certificates/x509.ts";
import {
  answer,
  certificatesPayload,
  clientCertificate,
  MADE_UP,
  firewallPayload,
  nginxPayload,
  Origin,
  type RequestOptions,
  serverCertificate,
  SITE,
  VALID,
} from "./support/origin.ts";

const SHARES = "shares.home.localhost";
const UPSTREAM = "127.0.0.1:3000";
const CA = selfSigned({ subject: [["CN", "pulls CA of the shares"]], ...VALID }, newKey("rsa"));
const CLIENT = clientCertificate(CA);
const sharesPayload = { ...nginxPayload, hostname: SHARES, serves: "shares", upstream: UPSTREAM };

/** Where the stand-ins for immich-public-proxy and for Immich listen, past a relay into the host. */
const FOLDER = mkdtempSync(join(tmpdir(), "immich-access-shares-"));
const [PROXY_SOCKET, IMMICH_SOCKET] = [join(FOLDER, "proxy"), join(FOLDER, "immich")];
let proxy: http.Server;
let origin: Origin;

beforeAll(async () => {
  proxy = http.createServer((request, response) => {
    request.resume().on("end", () => {
      response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers }));
    });
  });
  origin = await Origin.start();
  await origin.apply("certificates", certificatesPayload(serverCertificate()));
  await origin.apply("nginx", nginxPayload);
  await origin.apply("firewall", { ...firewallPayload, ...sharesPayload });
  await origin.apply(
    "certificates",
    certificatesPayload(serverCertificate(SHARES), { hostname: SHARES, clientCa: CA.certificate }),
  );
});
afterAll(async () => {
  proxy.close();
  proxy.closeAllConnections();
  rmSync(FOLDER, { recursive: true });
  await origin.close();
});

const as = (options: RequestOptions = {}): RequestOptions => ({
  serverName: SHARES,
  client: CLIENT,
  ...options,
  headers: { host: SHARES, ...options.headers },
});
const status = async (path: string, options?: RequestOptions) => (await origin.get(path, as(options))).status;
const seen = (path: string, options?: RequestOptions) => origin.seen(path, as(options));

test("public shares are refused if Immich itself answers there, and the host stays as it was", async () => {
  // The firewall's relay leads to a stand-in that tells what it got; this one is Immich as far as its ping tells.
  const immich = http.createServer((_request, response) => response.end('{"res":"pong"}'));
  immich.listen(IMMICH_SOCKET);
  await origin.relay("host", [{ listen: { host: "127.0.0.1", port: 2284 }, connect: { path: IMMICH_SOCKET } }]);
  await origin.listening("127.0.0.1:2284");
  const before = await origin.snapshot();
  for (const upstream of ["127.0.0.1:2284", "localhost:2284"]) {
    expect(await origin.refuse("nginx", { ...sharesPayload, upstream })).toBe(
      `immich-access: ${upstream} is Immich itself, which would be public; set publicShareUpstream to the address of ` +
        "immich-public-proxy; nothing has been changed\n",
    );
  }
  expect(await origin.refuse("nginx", { ...sharesPayload, serves: "all" })).toContain("is none of immich, shares");
  expect(await origin.snapshot()).toBe(before);
  immich.close();
  immich.closeAllConnections();
});

test("public shares answer 502 before immich-public-proxy runs, and work once it does without another step", async () => {
  expect(await origin.apply("nginx", sharesPayload)).toMatch(
    /^nginx serves shares\.home\.localhost for 127\.0\.0\.1:3000,/,
  );
  expect(await status("/share/KEY-0")).toBe(502);
  proxy.listen(PROXY_SOCKET);
  await origin.relay("host", [{ listen: { host: "127.0.0.1", port: 3000 }, connect: { path: PROXY_SOCKET } }]);
  await expect.poll(() => status("/share/KEY-0")).toBe(200);
  const before = await origin.snapshot();
  await origin.apply("nginx", sharesPayload);
  expect(await origin.snapshot()).toBe(before);
});

describe("paths", () => {
  test.each([
    ["/", "/"],
    ["/share", "/share"],
    ["/share/", "/share/"],
    ["/share/KEY-1?password=KEY-2", "/share/KEY-1?password=KEY-2"],
    ["/share/photo/KEY-1/4f/preview", "/share/photo/KEY-1/4f/preview"],
    ["/s/summer", "/s/summer"],
    ["/s/a%20b%25%3F", "/s/a%20b%25%3F"],
    ["/favicon.ico", "/favicon.ico"],
    ["/robots.txt", "/robots.txt"],
    // Read as nginx has read it, and not as it was written
    ["/api/../share/KEY-1", "/share/KEY-1"],
    ["/api/server/ping/../../../share/KEY-1", "/share/KEY-1"],
    ["//share//KEY-1", "/share/KEY-1"],
    ["/%73hare/KEY-1", "/share/KEY-1"],
    ["/api%2f..%2fshare/KEY-1", "/share/KEY-1"],
  ])("a path of immich-public-proxy is forwarded: %s", async (path, url) => {
    expect((await seen(path)).url).toBe(url);
  });

  test.each([
    "/api",
    "/api/",
    "/api/server/ping",
    "//api/server/ping",
    "/./api/server/ping",
    "/%2fapi/server/ping",
    "/%61pi/server/ping",
    "/API/server/ping",
    "/Api",
    "/share/../api/server/ping",
    "/share/KEY/../../api/server/ping",
    "/share/..%2fapi/server/ping",
    "/share/%2e%2e/api/server/ping",
    "/share/%2E%2E%2Fapi/server/ping",
    "/share/.//..///api/server/ping",
    "/s/../api/server/ping",
    "/share/KEY/%2e%2e/%2e%2e/api",
    "/api/server/ping?/share/KEY",
    "/api/server/ping?/../share/KEY",
    "/api/server/ping#/../../../share/KEY",
    "/api/share/KEY",
    "/shared/KEY",
    "/Share/KEY",
    "/S/KEY",
    "/s",
    "/auth/login",
    "/photos",
    "/.well-known/immich",
    "/_app/version.json",
    "/index.html",
  ])("any other path is not forwarded: %s", async (path) => {
    expect(await status(path)).toBe(404);
    expect(await status(path, { method: "POST" })).toBe(404);
  });

  test.each(["/%", "/share/%00", "/../api", "/share/../../api", "/%2e%2e/api"])(
    "an invalid path is refused: %s",
    async (path) => {
      expect(await status(path)).toBe(400);
    },
  );

  test("a path with a host name in front is treated like any other", async () => {
    expect(await status(`http://${SHARES}/api/server/ping`)).toBe(404);
    expect((await seen(`http://${SHARES}/share/KEY-1`)).url).toBe("/share/KEY-1");
  });
});

describe("visitors of public shares", () => {
  test("a visitor of public shares reads and unlocks, and can do nothing else", async () => {
    const form = { method: "POST", headers: { "content-length": "2" } };
    const request = await origin.request("/share/unlock", as(form));
    request.end("{}");
    expect(JSON.parse((await answer(request)).body)).toMatchObject({ method: "POST", url: "/share/unlock" });
    for (const method of ["PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE"]) {
      expect(await status("/share/KEY", { method }), method).toBe(405);
    }
  });

  test("a visitor of public shares uploads nothing", async () => {
    for (const [size, expected] of [
      [1 << 20, 200],
      [(1 << 20) + 1, 413],
    ] as const) {
      const request = await origin.request(
        "/share/KEY/upload",
        as({ method: "POST", headers: { "content-length": size } }),
      );
      request.on("error", () => undefined);
      request.end(Buffer.alloc(size));
      expect((await answer(request)).status).toBe(expected);
    }
  });

  test("a visitor of public shares opens no websocket and upgrades to no other protocol", async () => {
    for (const upgrade of ["websocket", "h2c"]) {
      const { headers } = await seen("/share/KEY", { headers: { connection: "Upgrade", upgrade } });
      expect(headers).toMatchObject({ connection: "close" });
      expect(headers.upgrade).toBeUndefined();
    }
    expect(await status("/api/socket.io/", { headers: { connection: "Upgrade", upgrade: "websocket" } })).toBe(404);
  });

  test("immich-public-proxy gets the address that Cloudflare reports, and no header of Access", async () => {
    const access = ["client-id", "client-secret", "token", "authenticated-user-email", "jwt-assertion"].map(
      (name) => `cf-access-${name}`,
    );
    const { headers } = await seen("/share/KEY", {
      headers: {
        ...Object.fromEntries(access.map((name) => [name, "made up"])),
        cookie: "CF_Authorization=a.b.c; password=1",
        ...MADE_UP,
      },
    });
    expect(headers).toMatchObject({
      host: SHARES,
      cookie: "password=1",
      "x-real-ip": "192.0.2.7",
      "x-forwarded-for": "192.0.2.7",
      "x-forwarded-proto": "https",
    });
    expect(Object.keys(headers).filter((name) => access.includes(name) || name === "forwarded")).toEqual([]);
    expect(headers["x-forwarded-host"]).toBeUndefined();
  });

  test("public shares show nothing to a visitor who bypasses Cloudflare, or uses the main site's certificate", async () => {
    for (const client of [null, clientCertificate()]) expect(await status("/share/KEY", { client })).toBe(400);
    await expect(origin.connect({ serverName: "other.home.localhost", client: CLIENT })).rejects.toThrow(
      /unrecognized/i,
    );
  });

  test("a visitor of public shares does not reach the main site, nor the other way round", async () => {
    expect(await status("/share/KEY", { headers: { host: SITE } })).toBe(421);
    expect((await origin.get("/share/KEY", { headers: { host: SHARES } })).status).toBe(421);
    expect((await origin.get("/", { client: CLIENT })).status).toBe(400);
  });
});

test("no log has a share's key", async () => {
  const logs = () => origin.run("cat /var/log/nginx/*.log");
  // nginx notes a request a moment after its answer.
  await expect.poll(logs).toContain('"GET /share/*** HTTP/1.1" 200 ');
  await expect.poll(logs).toContain('"GET /s/*** HTTP/1.1" 200 ');
  expect(await logs()).not.toMatch(/KEY-\d/);
});

test("the host refuses to switch a live name between public shares and Immich", async () => {
  const before = await origin.snapshot();
  for (const [payload, serves] of [
    [sharesPayload, "immich"],
    [nginxPayload, "shares"],
  ] as const) {
    expect(await origin.refuse("firewall", { ...firewallPayload, ...payload, serves })).toContain(
      `${payload.hostname} serves ${payload.serves} on this host, and visitors are led to it: run \`pulumi up\` once without`,
    );
  }
  expect(await origin.snapshot()).toBe(before);
});

test("public shares are removed completely, and the main site stays as it is", async () => {
  await origin.seen("/api/server/ping");
  const main = () =>
    origin.run(`cat /etc/nginx/sites-available/immich-access-${SITE}.conf; ls -lR /etc/immich-access/${SITE}`);
  const before = await main();
  expect(await origin.apply("site-remove", { hostname: SHARES })).toBe(`${SHARES} is not on this host`);
  expect(
    await origin.run(
      `find /etc /run /var/lib -name '*${SHARES}*' 2>/dev/null; nginx -T 2>/dev/null | grep -c shares || true`,
    ),
  ).toBe("0");
  await expect(origin.connect({ serverName: SHARES, client: CLIENT })).rejects.toThrow(/unrecognized/i);
  await origin.seen("/api/server/ping");
  expect(await main()).toBe(before);
});
