// HTTP/2 between the edge and the origin, with an origin in Node; test/host/edge-http2.test.ts has nginx.

import { once } from "node:events";
import type http from "node:http";
import http2, { type ServerHttp2Stream } from "node:http2";
import tls from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { HTTP2_MEMORY } from "../edge/limits.ts";
import { certificate, SITE } from "./edge-fixture.ts";
import { type Answer, begin, fixture, ok, sessions, start, statuses, visits } from "./edge-http2-fixture.ts";

const OTHER = "other.home.localhost";

afterEach(() => fixture.close());

/** Answers `count` requests once all of them are there. */
function together(count: number): Answer {
  let waiting: ServerHttp2Stream[] = [];
  return (stream) => {
    waiting.push(stream);
    if (waiting.length < count) return;
    for (const each of waiting) {
      each.respond({ ":status": 200 });
      each.end();
    }
    waiting = [];
  };
}

const set = (name: string, value: unknown): Promise<void> =>
  fixture.change((state) => {
    state.zones[0]!.settings[name] = { value, modified_on: null };
  });

describe("connections", () => {
  test("requests at once share one connection to the origin, the first ones too", async () => {
    await start(together(50));
    expect(statuses(await visits(50))).toEqual([200]);
    expect(statuses(await visits(50))).toEqual([200]);
    expect(sessions).toHaveLength(1);
  });

  test.each([
    ["the edge's limit", { streams: 4 }, {}],
    ["the origin's limit", {}, { maxConcurrentStreams: 4 }],
  ])("more requests at once than %s get a second connection", async (_whose, limits, settings) => {
    await start(together(8), limits, settings);
    expect(statuses(await visits(8))).toEqual([200]);
    expect(sessions).toHaveLength(2);
  });

  test("a host name and a client certificate have connections of their own", async () => {
    const seen: string[] = [];
    await start((stream, headers, session) => {
      const socket = session.socket as tls.TLSSocket;
      seen.push(`${socket.servername as string} ${socket.getPeerX509Certificate()?.subject ?? "none"}`);
      stream.respond({ ":status": 200 });
      stream.end(headers[":authority"]);
    });
    await set("ssl", "full");
    await fixture.change((state) => {
      state.dns_records.push({ ...state.dns_records[0]!, id: "2", name: OTHER });
    });
    await fixture.visit("/");
    expect((await fixture.visit("/", { host: OTHER })).body).toBe(OTHER);
    await fixture.visit("/");
    expect(sessions).toHaveLength(2);
    const { certificate: pem, privateKey } = certificate(fixture.world.cas.sharedPullCa, ["host"]);
    await fixture.change((state) => {
      const pulls = state.zones[0]!.origin_pulls;
      pulls.hostname_certificates = [
        { id: "1", certificate: pem, private_key: privateKey, uploaded_on: "", active_from: new Date(0).toISOString() },
      ];
      pulls.hostnames = [{ hostname: SITE, cert_id: "1", enabled: true, created_at: "", updated_at: "" }];
    });
    await fixture.visit("/");
    await fixture.visit("/", { host: OTHER });
    expect(sessions).toHaveLength(3);
    expect(seen).toEqual([`${SITE} none`, `${OTHER} none`, `${SITE} none`, `${SITE} CN=host`, `${OTHER} none`]);
    await expect.poll(() => sessions[0]?.closed).toBe(true);
  });

  test("the zone's origin_max_http_version keeps the edge to HTTP/1.1", async () => {
    await start(ok);
    await set("origin_max_http_version", "1");
    expect((await fixture.visit("/")).body).toBe("over 1.1");
    await set("origin_max_http_version", "2");
    expect((await fixture.visit("/")).body).toBe("1");
  });

  test("an origin that changes to HTTP/1.1 and back is served in between", async () => {
    await start(ok);
    const protocols = (...ALPNProtocols: string[]) => {
      const { cert, key } = fixture.origin as unknown as { cert: string; key: string };
      fixture.origin.setSecureContext({ cert, key });
      Object.assign(fixture.origin, { ALPNProtocols: Buffer.concat(ALPNProtocols.map(protocolField)) });
      for (const session of sessions) session.close();
    };
    expect((await fixture.visit("/")).body).toBe("1");
    protocols("http/1.1");
    await expect.poll(async () => (await fixture.visit("/")).body).toBe("over 1.1");
    expect(statuses(await visits(10))).toEqual([200]);
    protocols("h2", "http/1.1");
    await expect.poll(async () => (await fixture.visit("/", { method: "POST", body: "x" })).body).toBe("1");
    expect((await fixture.visit("/")).body).toBe("3");
  });
});

/** One entry of a TLS protocol list. */
const protocolField = (name: string): Buffer => Buffer.concat([Buffer.from([name.length]), Buffer.from(name)]);

describe("messages", () => {
  test("uploads at once on one connection of a visitor all arrive", async () => {
    await start(ok);
    const visitor = http2.connect(`https://${SITE}`, {
      maxSessionMemory: HTTP2_MEMORY,
      createConnection: () =>
        tls.connect({
          host: "127.0.0.1",
          port: fixture.edge.httpsPorts[0]!,
          servername: SITE,
          ca: fixture.world.cas.publicCa.certificate,
          ALPNProtocols: ["h2"],
        }),
    });
    const upload = async (): Promise<number | undefined> => {
      const stream = visitor.request({ ":method": "POST" });
      stream.end(Buffer.alloc(300_000));
      const [headers] = (await once(stream, "response")) as [
        http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader,
      ];
      stream.resume();
      return headers[":status"];
    };
    const got = await Promise.all(Array.from({ length: 100 }, upload));
    expect(new Set(got)).toEqual(new Set([200]));
    expect(sessions).toHaveLength(1);
    visitor.close();
  });

  test("neither side gets the other's hop-by-hop headers, trailers or interim answers", async () => {
    let seen: http2.IncomingHttpHeaders = {};
    const trailers: unknown[] = [];
    await start((stream, headers) => {
      seen = headers;
      stream.on("trailers", (fields) => trailers.push(fields));
      stream.resume().on("end", () => {
        // Node's own listener sends none and lets nobody else send any.
        stream.removeAllListeners("wantTrailers").on("wantTrailers", () => stream.sendTrailers({ "x-checksum": "1" }));
        stream.additionalHeaders({ ":status": 103, link: "</x>; rel=preload" });
        stream.respond({ ":status": 200, "set-cookie": ["a=1", "b=2"], "alt-svc": "h3" }, { waitForTrailers: true });
        stream.end("body");
      });
    });
    const request = begin("POST", "/x?y=z", {
      connection: "x-hop",
      "x-hop": "1",
      te: "trailers",
      trailer: "x-sum",
      "transfer-encoding": "chunked",
      "keep-alive": "timeout=5",
      "x-other": "kept",
    });
    const early: unknown[] = [];
    request.on("information", (information) => early.push(information));
    request.write("a");
    request.addTrailers({ "x-sum": "1" });
    request.end("b");
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    let body = "";
    for await (const chunk of response) body += String(chunk);
    expect(seen).toMatchObject({
      ":method": "POST",
      ":scheme": "https",
      ":authority": SITE,
      ":path": "/x?y=z",
      "x-other": "kept",
      "cf-connecting-ip": "127.0.0.1",
    });
    for (const name of ["host", "connection", "x-hop", "te", "trailer", "transfer-encoding", "keep-alive"]) {
      expect(seen).not.toHaveProperty(name);
    }
    expect([response.statusCode, body, response.headers["set-cookie"]]).toEqual([200, "body", ["a=1", "b=2"]]);
    expect(response.trailers).toEqual({});
    expect(response.headers).not.toHaveProperty("alt-svc");
    expect([early, trailers]).toEqual([[], []]);
  });

  test("HEAD and 304 keep the length of what they do not send", async () => {
    await start((stream, headers) => {
      stream.respond({ ":status": headers[":path"] === "/304" ? 304 : 200, "content-length": 7 }, { endStream: true });
    });
    const head = await fixture.visit("/", { method: "HEAD" });
    expect([head.status, head.headers["content-length"]]).toEqual([200, "7"]);
    expect((await fixture.visit("/304")).status).toBe(304);
    expect(sessions).toHaveLength(1);
  });

  const SIZE = 48 << 20;
  /** More than all buffers between the two ends. */
  const BUFFERS = 24 << 20;

  test("an upload waits for an origin that does not read, and arrives whole", async () => {
    let stalled: ServerHttp2Stream | undefined;
    await start((stream) => (stalled = stream));
    await set("max_upload", 1000);
    const request = begin("POST", "/", { "transfer-encoding": "chunked" });
    const chunk = Buffer.alloc(1 << 20, "x");
    let sent = 0;
    const pump = (): void => {
      while (sent < SIZE && request.write(chunk)) sent += chunk.length;
      if (sent >= SIZE) request.end();
      else {
        sent += chunk.length;
        request.once("drain", pump);
      }
    };
    pump();
    await expect.poll(() => stalled).toBeDefined();
    await steady(() => sent);
    expect(sent).toBeLessThan(BUFFERS);
    let received = 0;
    stalled!.on("data", (part: Buffer) => (received += part.length));
    await once(stalled!, "end");
    expect(received).toBe(sent);
    expect(received).toBeGreaterThanOrEqual(SIZE);
  });

  test("a download waits for a visitor who does not read, holds nobody up, and arrives whole", async () => {
    let written = 0;
    await start((stream, headers) => {
      stream.respond({ ":status": 200, "content-length": headers[":path"] === "/large" ? SIZE : 0 });
      if (headers[":path"] !== "/large") return void stream.end();
      const chunk = Buffer.alloc(1 << 20, "x");
      const pump = (): void => {
        while (written < SIZE) {
          written += chunk.length;
          if (!stream.write(chunk)) return void stream.once("drain", pump);
        }
        stream.end();
      };
      pump();
    });
    const request = begin("GET", "/large");
    request.end();
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    await steady(() => written);
    expect(written).toBeLessThan(BUFFERS);
    expect(statuses(await visits(5))).toEqual([200]);
    expect(sessions).toHaveLength(1);
    let received = 0;
    for await (const part of response) received += (part as Buffer).length;
    expect(received).toBe(SIZE);
  });
});

/** Waits until a number has stopped growing. */
async function steady(read: () => number): Promise<void> {
  for (let last = -1; read() !== last; await new Promise((resolve) => setTimeout(resolve, 300))) last = read();
}

test("a websocket goes over HTTP/1.1 to an origin that speaks both", async () => {
  await start(ok);
  expect((await fixture.visit("/")).body).toBe("1");
  fixture.origin.on("upgrade", (request: { httpVersion: string }, socket: tls.TLSSocket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    socket.write(`hello over ${request.httpVersion} ${String(socket.alpnProtocol)}`);
    socket.on("error", () => undefined);
  });
  const request = begin("GET", "/ws", { connection: "Upgrade", upgrade: "websocket" });
  request.end();
  const [, socket, head] = (await once(request, "upgrade")) as [unknown, tls.TLSSocket, Buffer];
  const text = head.length > 0 ? head : ((await once(socket, "data")) as [Buffer])[0];
  expect(text.toString()).toBe("hello over 1.1 http/1.1");
  socket.destroy();
});
