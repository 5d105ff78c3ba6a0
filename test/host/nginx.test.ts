import { once } from "node:events";
import type http from "node:http";
import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { newKey, selfSigned } from "../../dev/sandbox/certificates/x509.ts";
import { EGRESS } from "../../dev/sandbox/network/network.ts";
import {
  answer,
  certificatesPayload,
  clientCertificate,
  MADE_UP,
  nginxPayload,
  Origin,
  type Seen,
  serverCertificate,
  SITE,
  VALID,
} from "./support/origin.ts";

let origin: Origin;
let line: string;

beforeAll(async () => {
  origin = await Origin.start();
  await origin.apply("certificates", certificatesPayload(serverCertificate()));
  line = await origin.apply("nginx", nginxPayload);
});
afterAll(() => origin.close());

test("a second nginx step changes nothing", async () => {
  expect(line).toMatch(/^nginx serves photos\.home\.localhost for 127\.0\.0\.1:2283, config [0-9a-f]{12}$/);
  const before = await origin.snapshot();
  expect(before).toContain(`sites-enabled/immich-access-${SITE}.conf`);
  expect(await origin.apply("nginx", nginxPayload)).toBe(line);
  expect(await origin.snapshot()).toBe(before);
});

describe("who reaches Immich", () => {
  test.each(["ipv4", "ipv6"] as const)("Cloudflare with its certificate reaches Immich over %s", async (family) => {
    expect((await origin.seen("/api/server/ping?a=%2F", { family })).url).toBe("/api/server/ping?a=%2F");
    expect((await origin.seen("/.well-known/immich", { family })).url).toBe("/.well-known/immich");
  });

  test("Cloudflare reaches Immich over HTTP/2 if the client can", async () => {
    const socket = await origin.connect({ protocols: ["h2", "http/1.1"] });
    expect(socket.alpnProtocol).toBe("h2");
    socket.destroy();
  });

  test("nobody reaches Immich without a client certificate, or with one from another CA", async () => {
    const impostor = selfSigned({ subject: [["CN", "pulls CA"]], ...VALID }, newKey("rsa"));
    for (const client of [null, clientCertificate(impostor)]) {
      const { status, body } = await origin.get("/", { client });
      expect(status).toBe(400);
      expect(body).toMatch(/No required SSL certificate was sent|The SSL certificate error/);
    }
  });

  test("nobody reaches Immich with another server name or none", async () => {
    for (const serverName of ["other.home.localhost", `x.${SITE}`, ""]) {
      await expect(origin.connect({ serverName }), serverName).rejects.toThrow(/unrecognized name/i);
    }
    // Named in the handshake, but not in the request
    await expect(origin.get("/", { headers: { host: "other.home.localhost" } })).rejects.toThrow("socket hang up");
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "nobody reaches Immich with a resumed session of another connection, in %s",
    async (version) => {
      const first = await origin.connect({ version });
      expect(first.getProtocol()).toBe(version);
      const sessions: Buffer[] = [];
      first.on("session", (session) => sessions.push(session)).resume();
      first.write(`GET / HTTP/1.1\r\nHost: ${SITE}\r\nConnection: close\r\n\r\n`);
      await once(first, "close");
      for (const session of sessions) {
        const again = await origin.connect({ version, session });
        expect(again.isSessionReused()).toBe(false);
        again.destroy();
      }
    },
  );

  test("nobody reaches Immich with an older TLS", async () => {
    await expect(origin.connect({ version: "TLSv1.1" })).rejects.toThrow(/protocol|version|EPROTO/i);
  });
});

describe("what Immich gets", () => {
  test("Immich gets the visitor's address from Cloudflare, and no header that a visitor could forge", async () => {
    const { headers } = await origin.seen("/", {
      headers: {
        ...MADE_UP,
        "cf-access-client-id": "id.access",
        "cf-access-client-secret": "secret",
        "cf-access-token": "token",
        "cf-access-authenticated-user-email": "admin@example.com",
        "cf-access-jwt-assertion": "a.b.c",
        cookie: "immich=1",
      },
    });
    expect(headers).toMatchObject({
      host: SITE,
      "x-real-ip": "192.0.2.7",
      "x-forwarded-for": "192.0.2.7",
      "x-forwarded-proto": "https",
      cookie: "immich=1",
    });
    const absent = ["client-id", "client-secret", "token", "authenticated-user-email", "jwt-assertion"].map(
      (name) => `cf-access-${name}`,
    );
    expect(Object.keys(headers).filter((name) => absent.includes(name))).toEqual([]);
    expect(headers["x-forwarded-host"]).toBeUndefined();
    expect(headers["forwarded"]).toBeUndefined();
  });

  test.each([
    ["CF_Authorization=a.b.c", undefined],
    [
      "immich_access_token=t; CF_Authorization=a.b.c; immich_auth_type=password",
      "immich_access_token=t; immich_auth_type=password",
    ],
    ["CF_Authorization=a.b.c; CF_AppSession=n; x=1", "CF_AppSession=n; x=1"],
    ["x=1; CF_AppSession=n; CF_Authorization=a.b.c", "x=1; CF_AppSession=n"],
    ["x=1;CF_Authorization=a.b.c;y=2", "x=1;y=2"],
    ['x=1; CF_Authorization="a.b.c"; y=2', "x=1; y=2"],
    ["x=1; CF_Authorization =a.b.c; y=2", "x=1; y=2"],
    ["x=1; cf_authorization=a.b.c; CF_AUTHORIZATION=d; y=2", "x=1; y=2"],
    ["CF_Authorization=a; x=1; CF_Authorization=b; CF_Authorization=c; y=2", "x=1; y=2"],
    // More of them than anybody's browser sends: none gets through, and nothing else either.
    ["x=1; CF_Authorization=a; y=2; CF_Authorization=b; z=3; CF_Authorization=c", undefined],
    // Other cookies, whatever they look like
    ["CF_Authorization2=a; XCF_Authorization=b; x=CF_Authorization=c; y=1", "same"],
    ['x="a b"; y=%3B; z=', "same"],
    ["CF_Authorization", "same"],
  ])("Immich gets cookies without Access's own: %s", async (sent, kept) => {
    const { headers } = await origin.seen("/", { headers: { cookie: sent } });
    expect(headers.cookie).toBe(kept === "same" ? sent : kept);
  });

  test("Immich gets cookies without Access's own, also among very many", async () => {
    const many = "a=1; ".repeat(1200);
    const { headers } = await origin.seen("/", { headers: { cookie: `${many}CF_Authorization=a.b.c; y=2` } });
    expect(headers.cookie).toBe(`${many}y=2`);
  });

  test("an answer keeps its length, so that a visitor sees how far a download is", async () => {
    const request = await origin.request("/large");
    request.end();
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect(response.headers["content-length"]).toBe(String(64 << 20));
    request.destroy();
  });

  test("Immich gets cookies without Access's own, also in a header each, over HTTP/2", async () => {
    const socket = await origin.connect({ protocols: ["h2"] });
    const session = http2.connect(`https://${SITE}`, { createConnection: () => socket });
    const stream = session.request({
      ":path": "/",
      cookie: ["x=1", "CF_Authorization=a.b.c", "y=2", "CF_Authorization=d"],
    });
    let body = "";
    for await (const chunk of stream.setEncoding("utf8")) body += chunk as string;
    session.destroy();
    expect((JSON.parse(body) as Seen).headers.cookie).toBe("x=1; y=2");
    const { headers } = await origin.seen("/", { headers: { cookie: ["x=1", "CF_Authorization=a.b.c", "y=2"] } });
    expect(headers.cookie).toBe("x=1; y=2");
  });

  test("Immich gets Cloudflare's own address if the header is missing", async () => {
    expect((await origin.seen("/")).headers["x-real-ip"]).toBe(EGRESS.ipv4);
  });

  test("Immich gets a websocket, in both directions", async () => {
    const socket = await origin.connect();
    const headers = { cookie: "x=1; CF_Authorization=a.b.c; y=2", "cf-access-jwt-assertion": "a.b.c" };
    const websocket = new WebSocket(`ws://${SITE}/api/socket.io/`, { createConnection: () => socket, headers });
    await once(websocket, "open");
    websocket.send("photo");
    const [data] = (await once(websocket, "message")) as [Buffer];
    expect(data.toString()).toBe("photo");
    websocket.terminate();
    expect(origin.upgrade).toMatchObject({ cookie: "x=1; y=2", upgrade: "websocket" });
    expect(origin.upgrade["cf-access-jwt-assertion"]).toBeUndefined();
  });

  test("Immich gets an upload as it streams in, with nothing on the disk", async () => {
    const half = Buffer.alloc(32 << 20, 1);
    const before = origin.received;
    const request = await origin.request("/api/assets", {
      method: "POST",
      headers: { "content-length": 2 * half.length },
    });
    request.write(half);
    await expect.poll(() => origin.received - before, { timeout: 60_000 }).toBeGreaterThan(31 << 20);
    expect(await openFiles()).toBe("");
    request.end(half);
    expect((await answer(request)).status).toBe(200);
    expect(origin.received - before).toBe(2 * half.length);
  });

  test("Immich sends a download to a slow reader, with nothing on the disk", async () => {
    const socket = await origin.connect();
    socket.write(`GET /large HTTP/1.1\r\nHost: ${SITE}\r\nConnection: close\r\n\r\n`);
    await once(socket, "readable");
    await sleep(500);
    expect(await openFiles()).toBe("");
    let size = 0;
    for await (const chunk of socket) size += (chunk as Buffer).length;
    expect(size).toBeGreaterThan(64 << 20);
  });

  /** Files in which nginx has put a body away; it deletes them at once and keeps them open. */
  async function openFiles(): Promise<string> {
    const workers = "pgrep -f '^nginx: worker process$'";
    return origin.run(`for pid in $(${workers}); do ls -l /proc/$pid/fd; done | grep '/var/lib/nginx/' || true`);
  }

  test("Immich gets no request while it is down, and every one when it is back", async () => {
    const dead = { ...nginxPayload, upstream: "127.0.0.1:9" };
    expect(await origin.apply("nginx", dead)).toContain("for 127.0.0.1:9,");
    expect((await origin.get("/share/DEAD-KEY?key=DEAD-KEY")).status).toBe(502);
    await origin.apply("nginx", nginxPayload);
    await origin.seen("/");
  });
});

test("no log has a shared album's key, a query or a credential", async () => {
  const headers = {
    referer: `https://${SITE}/share/KEY-1`,
    "cf-access-client-secret": "KEY-2",
    cookie: "CF_Authorization=KEY-3",
  };
  for (const path of ["/share/KEY-4/photos/1", "/s/KEY-5", "/%73hare/KEY-6", "/api/assets/1?key=KEY-7"]) {
    await origin.seen(path, { headers });
  }
  await origin.get("/share/KEY-8?key=KEY-9", { client: null });
  const logs = () => origin.run("cat /var/log/nginx/*.log");
  // nginx notes a request a moment after its answer.
  await expect.poll(logs).toContain('"GET /share/*** HTTP/1.1" 200 ');
  await expect.poll(logs).toContain('"GET /s/*** HTTP/1.1" 200 ');
  await expect.poll(logs).toContain('"GET /api/assets/1 HTTP/1.1" 200 ');
  await expect.poll(logs).toContain('"GET /share/*** HTTP/1.1" 400 ');
  expect(await logs()).not.toMatch(/KEY/);
});
