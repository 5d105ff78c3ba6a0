import { once } from "node:events";
import type http from "node:http";
import http2 from "node:http2";
import { connect, type AddressInfo } from "node:net";
import https from "node:https";
import tls from "node:tls";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { State } from "../api/state.ts";
import { DEV } from "../api/world.ts";
import { certificate, type Fixture, SITE, startFixture } from "./edge-fixture.ts";

let fixture: Fixture;
const headersOf = (body: string): Record<string, string> =>
  (JSON.parse(body) as { headers: Record<string, string> }).headers;

const setSsl = (value: string): Promise<void> =>
  fixture.change((state) => {
    const zone = state.zones[0];
    if (zone) zone.settings["ssl"] = { value, modified_on: null };
  });

/** Gives the origin another certificate, for new connections. */
const present = (pair: { certificate: string; privateKey: string }): void =>
  fixture.origin.setSecureContext({ cert: pair.certificate, key: pair.privateKey });

describe("what is served", () => {
  beforeEach(async () => {
    fixture = await startFixture();
  });
  afterEach(() => fixture.close());

  test("a proxied record leads to the origin, with the edge's headers and without a visitor's forged ones", async () => {
    const got = await fixture.visit("/a?b=c", {
      headers: {
        "cf-connecting-ip": "1.2.3.4",
        "x-real-ip": "1.2.3.4",
        "x-forwarded-for": "9.9.9.9",
        "x-forwarded-proto": "http",
        "cf-ray": "mine",
        connection: "close, x-secret-hop",
        "x-secret-hop": "1",
        "x-other": "kept",
      },
    });
    expect(got.status).toBe(200);
    expect(got.headers.server).toBe("cloudflare");
    expect(got.headers["cf-ray"]).toMatch(/^[0-9a-f]{16}-SBX$/);
    const { path, headers } = JSON.parse(got.body) as { path: string; headers: Record<string, string> };
    expect(path).toBe("/a?b=c");
    expect(headers).toMatchObject({
      host: SITE,
      "cf-connecting-ip": "127.0.0.1",
      "x-forwarded-for": "9.9.9.9, 127.0.0.1",
      "x-forwarded-proto": "https",
      "cf-visitor": '{"scheme":"https"}',
      "cf-ipcountry": "XX",
      "cdn-loop": "cloudflare",
      "accept-encoding": "gzip, br",
      "x-other": "kept",
    });
    expect(headers["cf-ray"]).toBe(got.headers["cf-ray"]);
    expect(headers).not.toHaveProperty("x-real-ip");
    expect(headers).not.toHaveProperty("x-secret-hop");
  });

  test("the edge answers a name without a record, with an unproxied one, and a Host with a port", async () => {
    expect((await fixture.visit("/", { host: `${SITE}:19001` })).status).toBe(200);
    expect(headersOf((await fixture.visit("/", { host: `${SITE}:19001` })).body)["host"]).toBe(SITE);

    const other = await fixture.visit("/", { host: "other.home.localhost" });
    expect([other.status, other.body]).toEqual([409, "error code: 1001"]);

    await fixture.change((state) => {
      state.dns_records.push({ ...state.dns_records[0]!, id: "2", name: "grey.home.localhost", proxied: false });
    });
    expect((await fixture.visit("/", { host: "grey.home.localhost" })).status).toBe(409);
  });

  test("the edge follows a CNAME to a public name, keeps the answer, and refuses one of another account", async () => {
    const follow = async (options: Partial<State["options"]>) => {
      await fixture.change((state) => {
        state.dns_records = [{ ...state.dns_records[0]!, type: "CNAME", content: "home.ddns.example" }];
        state.options = { ...state.options, ...options };
      });
      const { status, body } = await fixture.visit("/");
      return status === 200 ? 200 : `${status.toString()} ${body}`;
    };
    const leads = (addresses: string[]) => ({ public_names: { "home.ddns.example": addresses } });
    expect(await follow(leads([]))).toBe("530 error code: 1016");
    expect(await follow({ ...leads(["127.0.0.1"]), public_names_ttl_ms: 60_000 })).toBe(200);
    expect(await follow(leads([]))).toBe(200);
    expect(await follow({ foreign_zones: ["ddns.example"] })).toBe("403 error code: 1014");
    await fixture.change((state) => {
      state.dns_records = [{ ...state.dns_records[0]!, type: "A", content: "127.0.0.1" }];
      state.options = { ...state.options, foreign_zones: [], public_names: {}, public_names_ttl_ms: 0 };
    });
  });

  test("a name without a certificate ends the handshake, a foreign Host is misdirected", async () => {
    await expect(fixture.visit("/", { host: "example.com" })).rejects.toThrow(/alert|handshake/i);
    await expect(fixture.visit("/", { host: "deep.under.home.localhost" })).rejects.toThrow(/alert|handshake/i);
    const fronted = await fixture.visit("/", { host: DEV.teamDomain, serverName: SITE });
    expect(fronted.status).toBe(421);
    await fixture.change((state) => {
      state.dns_records = [];
    });
    await expect(fixture.visit("/")).rejects.toThrow(/alert|handshake/i);
  });

  test.each([{ status: "pending" as const }, { status: "moved" as const }, { paused: true }])(
    "a zone with %o is not served",
    async (change) => {
      const { zones } = fixture.world.store.state;
      await fixture.change((state) => Object.assign(state.zones[0]!, change));
      await expect(fixture.visit("/")).rejects.toThrow(/alert|handshake/i);
      await fixture.change((state) => (state.zones = structuredClone(zones)));
      expect((await fixture.visit("/")).status).toBe(200);
    },
  );

  test("a change at the API reaches the edge within 50 ms, if the machine is not busy", async () => {
    const records = fixture.world.store.state.dns_records;
    const moved = records.map((record) => ({ ...record, proxied: false, name: "x.home.localhost" }));
    const away = [...moved, { ...moved[0]!, id: "3", proxied: true }];
    // On a busy machine not each time, but soon once.
    await expect
      .poll(async () => {
        fixture.world.store.change((state) => (state.dns_records = records));
        await expect.poll(async () => (await fixture.visit("/")).status).toBe(200);
        fixture.world.store.change((state) => (state.dns_records = away));
        await new Promise((resolve) => setTimeout(resolve, 50));
        return (await fixture.visit("/")).status;
      })
      .toBe(409);
  });

  test("the edge keeps the last state while the API is away", async () => {
    await fixture.api.close();
    expect((await fixture.visit("/")).status).toBe(200);
  });

  test("the edge serves the address ranges under the API's own name, and nothing else of the API", async () => {
    const got = await fixture.visit("/client/v4/ips", { host: "api.cloudflare.com" });
    expect(got.status).toBe(200);
    expect((JSON.parse(got.body) as { result: { ipv4_cidrs: string[] } }).result.ipv4_cidrs).toContain(
      "173.245.48.0/20",
    );
    expect((await fixture.visit("/client/v4/zones", { host: "api.cloudflare.com" })).status).toBe(404);
  });

  test("always_use_https redirects; without it plain requests go to the origin's plain port", async () => {
    const plain = async (): Promise<string> => {
      const socket = connect(fixture.edge.httpPorts[0]!, "127.0.0.1");
      socket.write(`GET /x?y=1 HTTP/1.1\r\nhost: ${SITE}\r\nconnection: close\r\n\r\n`);
      let text = "";
      socket.on("data", (chunk) => (text += chunk.toString()));
      await once(socket, "close");
      return text;
    };
    // nothing listens on the origin's port 80 here
    expect(await plain()).toMatch(/^HTTP\/1.1 521 /);
    await fixture.change((state) => {
      state.zones[0]!.settings["always_use_https"] = { value: "on", modified_on: null };
    });
    const redirected = await plain();
    expect(redirected).toMatch(/^HTTP\/1.1 301 /);
    expect(redirected).toContain(`location: https://${SITE}/x?y=1\r\n`);
  });

  test("the edge serves HTTP/2 visitors, with a body", async () => {
    const session = http2.connect(`https://${SITE}`, {
      createConnection: () =>
        tls.connect({
          host: "127.0.0.1",
          port: fixture.edge.httpsPorts[0],
          servername: SITE,
          ca: fixture.world.cas.publicCa.certificate,
          ALPNProtocols: ["h2"],
        }),
    });
    const stream = session.request({ ":method": "POST", ":path": "/h2" });
    stream.end("hello");
    const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    let text = "";
    for await (const chunk of stream) text += String(chunk);
    session.close();
    expect(headers[":status"]).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ method: "POST", path: "/h2" });
  });
});

describe("the origin's TLS", () => {
  beforeEach(async () => {
    fixture = await startFixture();
  });
  afterEach(() => fixture.close());

  test("Full (strict) accepts certificates of the Origin CA and of public CAs only", async () => {
    const { originCa, publicCa, sharedPullCa } = fixture.world.cas;
    expect((await fixture.visit("/")).status).toBe(200);
    await setSsl("full");
    present(certificate(publicCa, [SITE]));
    await setSsl("strict");
    expect((await fixture.visit("/")).status).toBe(200);
    const day = 86_400_000;
    const wrong = {
      "another CA": certificate(sharedPullCa, [SITE]),
      "another name": certificate(originCa, ["other.home.localhost"]),
      expired: certificate(originCa, [SITE], { notAfter: new Date(Date.now() - day) }),
      "not valid yet": certificate(originCa, [SITE], { notBefore: new Date(Date.now() + day) }),
    };
    for (const [what, pair] of Object.entries(wrong)) {
      await setSsl("full");
      present(pair);
      expect((await fixture.visit("/")).status, `full, ${what}`).toBe(200);
      await setSsl("strict");
      const got = await fixture.visit("/", { headers: { accept: "text/html" } });
      expect(got.status, `strict, ${what}`).toBe(526);
      expect(got.body).toContain("Invalid SSL certificate");
    }
  });

  test("the edge refuses a revoked origin certificate, also on kept connections", async () => {
    const { originCa } = fixture.world.cas;
    const pair = certificate(originCa, [SITE]);
    present(pair);
    expect((await fixture.visit("/")).status).toBe(200);
    const { X509Certificate } = await import("node:crypto");
    await fixture.change((state) => {
      state.origin_certificates.push({
        id: "1",
        certificate: pair.certificate,
        csr: "",
        hostnames: [SITE],
        request_type: "origin-ecc",
        requested_validity: 7,
        expires_on: "",
        serial_number: new X509Certificate(pair.certificate).serialNumber,
        revoked_at: "2026-11-24T00:00:00Z",
      });
    });
    // the connection of before was made with the fixture's first certificate or this one; neither is used again
    expect((await fixture.visit("/")).status).toBe(526);
  });

  test("the edge answers 521 if nobody listens, 523 without a route, 525 if the handshake fails", async () => {
    fixture.origin.removeAllListeners("tlsClientError");
    await setAddresses("127.0.0.2");
    expect((await fixture.visit("/")).status).toBe(521);
    await setAddresses(NO_WAY);
    expect((await fixture.visit("/")).status).toBe(523);
    await setAddresses("127.0.0.1");
    fixture.origin.setSecureContext({
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.2",
      ciphers: "ECDHE-RSA-AES128-GCM-SHA256",
    });
    await setSsl("full");
    const got = await fixture.visit("/");
    expect([got.status, got.body]).toEqual([525, "error code: 525"]);
  });
});

/** An address to which the kernel makes no TCP connection. */
const NO_WAY = "255.255.255.255";

/** Gives the site a record for each address. */
const setAddresses = (...addresses: string[]): Promise<void> =>
  fixture.change((state) => {
    const record = state.dns_records[0]!;
    state.dns_records = addresses.map((content, index) => ({ ...record, id: String(index), content }));
  });

describe("several addresses of an origin", () => {
  /** So many requests that each of three addresses gets none once in 10^10 times. */
  const MANY = 60;
  let second: https.Server;
  /** By address of the origin: the connections on which requests came, and how many. */
  let came: Map<string, { connections: Set<unknown>; requests: number }>;

  beforeEach(async () => {
    came = new Map();
    const answer: http.RequestListener = (request, response) => {
      const address = request.socket.localAddress ?? "";
      const there = came.get(address) ?? { connections: new Set(), requests: 0 };
      there.connections.add(request.socket);
      there.requests += 1;
      came.set(address, there);
      request.resume().on("end", () => response.end(address));
    };
    fixture = await startFixture(answer);
    const pair = certificate(fixture.world.cas.originCa, [SITE]);
    second = https.createServer({ cert: pair.certificate, key: pair.privateKey }, answer);
    second.listen((fixture.origin.address() as AddressInfo).port, "127.0.0.2");
    await once(second, "listening");
  });
  afterEach(async () => {
    second.closeAllConnections();
    second.close();
    await fixture.close();
  });

  const statuses = async (options: Parameters<Fixture["visit"]>[1] = {}) => {
    const seen = new Set<number>();
    for (let request = 0; request < MANY; request += 1) seen.add((await fixture.visit("/", options)).status);
    return [...seen].sort();
  };
  const requestsAt = (address: string) => came.get(address)?.requests ?? 0;

  test("several origin addresses share the requests, each with its own kept connections", async () => {
    await setAddresses("127.0.0.1", "127.0.0.2");
    expect(await statuses()).toEqual([200]);
    for (const address of ["127.0.0.1", "127.0.0.2"]) {
      expect(requestsAt(address)).toBeGreaterThan(MANY / 6);
      expect(came.get(address)?.connections.size).toBe(1);
    }
    expect(await statuses({ method: "POST", body: "hello" })).toEqual([200]);
    expect(requestsAt("127.0.0.1") + requestsAt("127.0.0.2")).toBe(2 * MANY);
    expect(requestsAt("127.0.0.2")).toBeGreaterThan(MANY / 3);
  });

  test("an origin address replaces one that refuses or has no route, also for requests with a body", async () => {
    for (const dead of ["127.0.0.3", NO_WAY]) {
      await setAddresses(dead, "127.0.0.1");
      expect(await statuses(), dead).toEqual([200]);
      expect(await statuses({ method: "POST", body: "hello" }), dead).toEqual([200]);
    }
    expect(requestsAt("127.0.0.1")).toBe(4 * MANY);
  });

  test("the edge tries one more origin address only, so two unreachable ones fail some requests", async () => {
    await setAddresses("127.0.0.3", "127.0.0.4", "127.0.0.1");
    expect(await statuses()).toEqual([200, 521]);
  });

  test("an origin address gets requests again as soon as it is back", async () => {
    await setAddresses("127.0.0.1", "127.0.0.2");
    second.closeAllConnections();
    const { port } = second.address() as AddressInfo;
    await new Promise((resolve) => second.close(resolve));
    expect(await statuses()).toEqual([200]);
    expect(requestsAt("127.0.0.2")).toBe(0);
    second.listen(port, "127.0.0.2");
    await once(second, "listening");
    expect(await statuses()).toEqual([200]);
    expect(requestsAt("127.0.0.2")).toBeGreaterThan(MANY / 6);
  });

  test("the edge tries no other origin address once it has reached one", async () => {
    await setAddresses("127.0.0.1", "127.0.0.2");
    const other = certificate(fixture.world.cas.originCa, ["elsewhere.home.localhost"]);
    second.setSecureContext({ cert: other.certificate, key: other.privateKey });
    expect(await statuses()).toEqual([200, 526]);
  });
});

describe("origin pulls", () => {
  test("origin pulls use the host name's certificate before the zone's and the shared one, if switched on and active", async () => {
    const seen: string[] = [];
    fixture = await startFixture((request, response) => {
      seen.push((request.socket as tls.TLSSocket).getPeerX509Certificate()?.subject ?? "none");
      response.end();
    });
    const { cas } = fixture.world;

    const pull = (name: string, activeFrom: number) => {
      const pair = certificate(cas.sharedPullCa, [name]);
      return {
        id: name,
        certificate: pair.certificate,
        private_key: pair.privateKey,
        uploaded_on: "",
        active_from: new Date(activeFrom).toISOString(),
      };
    };
    const past = Date.now() - 1000;
    await fixture.visit("/");
    await fixture.change((state) => {
      state.zones[0]!.settings["tls_client_auth"] = { value: "on", modified_on: null };
    });
    await fixture.visit("/");
    await fixture.change((state) => {
      state.zones[0]!.origin_pulls.certificates = [pull("zone", past), pull("zone-later", Date.now() + 60_000)];
    });
    await fixture.visit("/");
    await fixture.change((state) => {
      state.zones[0]!.origin_pulls.enabled = true;
    });
    await fixture.visit("/");
    await fixture.change((state) => {
      state.zones[0]!.origin_pulls.hostname_certificates = [pull("host", past)];
      state.zones[0]!.origin_pulls.hostnames = [
        { hostname: SITE, cert_id: "host", enabled: true, created_at: "", updated_at: "" },
      ];
    });
    await fixture.visit("/");
    expect(seen).toEqual([
      "none",
      "CN=origin-pull.cloudflare.localhost",
      "CN=origin-pull.cloudflare.localhost",
      "CN=zone",
      "CN=host",
    ]);
    await fixture.close();
  });
});

describe("bodies", () => {
  afterEach(() => fixture.close());

  test("the edge refuses too large an upload by its length and by its bytes, and streams a smaller one", async () => {
    let received = 0;
    fixture = await startFixture(
      (request, response) => {
        request.on("data", (chunk: Buffer) => (received += chunk.length));
        request.on("end", () => response.end(String(received)));
      },
      { megabyte: 1000 },
    );
    const large = Buffer.alloc(100_001);
    const declared = await fixture.visit("/", {
      method: "POST",
      body: large,
      headers: { "content-length": large.length },
    });
    expect(declared.status).toBe(413);
    expect(received).toBe(0);
    const counted = await fixture.visit("/", {
      method: "POST",
      body: large,
      headers: { "transfer-encoding": "chunked" },
    });
    expect(counted.status).toBe(413);
    received = 0;
    const fits = await fixture.visit("/", { method: "POST", body: large.subarray(1) });
    expect([fits.status, fits.body]).toEqual([200, "100000"]);
  });

  test("the edge decompresses a compressed answer for a visitor that did not ask for compression", async () => {
    fixture = await startFixture((_request, response) => {
      const body = gzipSync("plain words");
      response.writeHead(200, { "content-encoding": "gzip", "content-length": body.length });
      response.end(body);
    });
    const plain = await fixture.visit("/");
    expect(plain.body).toBe("plain words");
    expect(plain.headers["content-encoding"]).toBeUndefined();
    const asked = await fixture.visit("/", { headers: { "accept-encoding": "gzip" } });
    expect(asked.headers["content-encoding"]).toBe("gzip");
  });

  test("the edge answers 520 if the origin hangs up, 524 if it is silent; a truncated body stays truncated", async () => {
    fixture = await startFixture(
      (request, response) => {
        if (request.url === "/hangup") request.socket.destroy();
        if (request.url === "/partial") {
          response.writeHead(200, { "content-length": 100 });
          response.write("half");
          setTimeout(() => request.socket.destroy(), 20);
        }
      },
      { readMs: 150 },
    );
    expect((await fixture.visit("/hangup")).status).toBe(520);
    expect((await fixture.visit("/silent")).status).toBe(524);
    await expect(fixture.visit("/partial")).rejects.toThrow();
  });
});

describe("websockets", () => {
  test("websockets pass both ways through the edge, and end together", async () => {
    fixture = await startFixture();
    fixture.origin.on("upgrade", (request, socket) => {
      expect(request.headers["cf-connecting-ip"]).toBe("127.0.0.1");
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      socket.on("data", (chunk: Buffer) => socket.write(`echo ${chunk.toString()}`));
      socket.on("error", () => undefined);
    });
    const socket = tls.connect({
      host: "127.0.0.1",
      port: fixture.edge.httpsPorts[0],
      servername: SITE,
      ca: fixture.world.cas.publicCa.certificate,
    });
    await once(socket, "secureConnect");
    socket.write(`GET /ws HTTP/1.1\r\nhost: ${SITE}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n`);
    const [head] = (await once(socket, "data")) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1.1 101 /);
    socket.write("hi");
    const [echo] = (await once(socket, "data")) as [Buffer];
    expect(echo.toString()).toBe("echo hi");
    fixture.origin.closeAllConnections();
    await fixture.close();
    await once(socket, "close");
  });
});
