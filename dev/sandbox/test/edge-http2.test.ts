// HTTP/2 between the edge and the origin, with an origin in Node; test/host/edge-http2.test.ts has nginx.

import { once } from "node:events";
import http2, { type Http2SecureServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import https from "node:https";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { HTTP2_MEMORY, type Limits } from "../edge/limits.ts";
import { certificate, type Fixture, type Got, SITE, startFixtureWith } from "./edge-fixture.ts";

/** What the origin does with one request. */
type Answer = (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders, session: ServerHttp2Session) => void;

const { NGHTTP2_REFUSED_STREAM } = http2.constants;
const OTHER = "other.home.localhost";

let fixture: Fixture<Http2SecureServer>;
let sessions: ServerHttp2Session[];

/** Starts everything with an origin that speaks both versions. */
async function start(answer: Answer, limits: Partial<Limits> = {}, settings: http2.Settings = {}): Promise<void> {
  sessions = [];
  fixture = await startFixtureWith((options) => {
    const server = http2.createSecureServer({ ...options, allowHTTP1: true, settings, maxSessionMemory: HTTP2_MEMORY });
    server.on("session", (session) => {
      sessions.push(session.on("error", () => undefined));
      session.on("stream", (stream, headers) => {
        stream.on("error", () => undefined);
        answer(stream, headers, session);
      });
    });
    return server.on("request", (request, response) => {
      if (request.httpVersion === "1.1") response.end("over 1.1");
    });
  }, limits);
}

afterEach(() => fixture.close());

const ok: Answer = (stream) => {
  stream.resume().on("end", () => {
    stream.respond({ ":status": 200 });
    stream.end(String(stream.id));
  });
};

/** A promise with its resolver. */
function signal<T = void>(): { done: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const done = new Promise<T>((settle) => (resolve = settle));
  return { done, resolve };
}

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

const visits = (count: number): Promise<Got[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => fixture.visit(`/${index}`)));

const statuses = (got: Got[]): number[] => [...new Set(got.map(({ status }) => status))];

/** A visitor's request that is not yet ended. */
function begin(method: string, path = "/", headers: Record<string, string> = {}) {
  const request = https.request({
    host: "127.0.0.1",
    port: fixture.edge.httpsPorts[0],
    servername: SITE,
    ca: fixture.world.cas.publicCa.certificate,
    agent: false,
    method,
    path,
    headers: { host: SITE, ...headers },
  });
  return request.on("error", () => undefined);
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
    const [response] = (await once(request, "response")) as [import("node:http").IncomingMessage];
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
    const [response] = (await once(request, "response")) as [import("node:http").IncomingMessage];
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

describe("an end before the end", () => {
  test("a visitor who leaves during an upload leaves a reset stream, not a short body, and the connection", async () => {
    const ends: string[] = [];
    const begun = signal();
    const over = signal();
    await start((stream, headers) => {
      if (headers[":path"] !== "/up") return ok(stream, headers, sessions[0]!);
      stream.on("data", () => begun.resolve());
      stream.on("end", () => ends.push("end"));
      stream.on("aborted", () => over.resolve());
    });
    const request = begin("POST", "/up", { "transfer-encoding": "chunked" });
    request.write("half");
    await begun.done;
    request.destroy();
    await over.done;
    expect(ends).toEqual([]);
    expect((await fixture.visit("/")).status).toBe(200);
    expect(sessions).toHaveLength(1);
  });

  test("a visitor who leaves during a download, or before the answer, ends the stream at the origin", async () => {
    const closed: string[] = [];
    const asked = signal();
    await start((stream, headers) => {
      const path = headers[":path"] ?? "";
      stream.once("close", () => closed.push(path));
      if (path === "/") return ok(stream, headers, sessions[0]!);
      if (path === "/never") return asked.resolve();
      stream.respond({ ":status": 200 });
      stream.write("half");
    });
    const half = begin("GET", "/half");
    half.end();
    await once(half, "response");
    const never = begin("GET", "/never");
    never.end();
    await asked.done;
    half.destroy();
    never.destroy();
    await expect.poll(() => [...closed].sort()).toEqual(["/half", "/never"]);
    expect((await fixture.visit("/")).status).toBe(200);
    expect(sessions).toHaveLength(1);
  });

  test("an origin that says goodbye between requests gets the next one on a new connection", async () => {
    await start(ok);
    for (const end of ["close", "destroy", "close"] as const) {
      expect((await fixture.visit("/")).status).toBe(200);
      sessions.at(-1)?.[end]();
    }
    expect((await fixture.visit("/", { method: "POST", body: "x" })).status).toBe(200);
    expect(sessions.length).toBeGreaterThanOrEqual(4);
  });

  test("a request goes on after a goodbye that allows it", async () => {
    await start((stream, _headers, session) => {
      session.goaway();
      setTimeout(() => {
        stream.respond({ ":status": 200 });
        stream.end("whole");
      }, 100);
    });
    expect((await fixture.visit("/")).body).toBe("whole");
    expect((await fixture.visit("/")).body).toBe("whole");
    expect(sessions).toHaveLength(2);
  });

  test("a request without a body is repeated once if a kept connection goes, and fails on a new one", async () => {
    let came = 0;
    await start((stream, headers, session) => {
      came += 1;
      const dead = headers[":path"] === "/dead" || (headers[":path"] === "/stale" && (stream.id ?? 0) > 1);
      if (dead) session.destroy();
      else ok(stream, headers, session);
    });
    await fixture.visit("/");
    expect((await fixture.visit("/stale")).status).toBe(200);
    came = 0;
    expect((await fixture.visit("/dead")).status).toBe(520);
    expect(came).toBe(2);
    await fixture.visit("/");
    came = 0;
    expect((await fixture.visit("/stale", { method: "POST", body: "x" })).status).toBe(520);
    expect(came).toBe(1);
  });

  test("a refused stream is repeated once, with its body, unless more was read than is kept", async () => {
    let refusals = 0;
    /** Bytes of a body after which the origin refuses it. */
    let after = 0;
    const bodies: string[] = [];
    await start((stream) => {
      let body = "";
      const refused = (): boolean => {
        if (refusals === 0 || body.length < after) return false;
        refusals -= 1;
        stream.close(NGHTTP2_REFUSED_STREAM);
        return true;
      };
      if (refused()) return;
      stream.on("data", (chunk: Buffer) => {
        body += chunk.toString();
        refused();
      });
      stream.on("end", () => {
        if (stream.closed) return;
        bodies.push(body);
        stream.respond({ ":status": 200 });
        stream.end();
      });
    });
    const post = async (body: string): Promise<number> => (await fixture.visit("/", { method: "POST", body })).status;
    refusals = 1;
    expect((await fixture.visit("/")).status).toBe(200);
    refusals = 1;
    const small = "abcdefgh".repeat(20_000);
    expect(await post(small)).toBe(200);
    refusals = 2;
    expect(await post(small)).toBe(520);
    [refusals, after] = [1, 500_000];
    expect(await post("abcdefgh".repeat(200_000))).toBe(520);
    expect(bodies).toEqual(["", small]);
    expect(refusals).toBe(0);
  });

  test("an answer that is cut off is cut off for the visitor, too", async () => {
    await start((stream, headers, session) => {
      const ends: Record<string, () => void> = {
        "/reset": () => stream.destroy(new Error("reset")),
        "/quiet": () => stream.destroy(),
        "/gone": () => session.destroy(),
      };
      const length = headers[":path"] === "/quiet" ? { "content-length": 100 } : {};
      stream.respond({ ":status": 200, ...length });
      stream.write("half");
      setTimeout(() => ends[headers[":path"] ?? ""]?.(), 50);
    });
    for (const path of ["/reset", "/quiet", "/gone"]) await expect(fixture.visit(path), path).rejects.toThrow();
  });

  test("520 for a reset, 524 for silence; the silent connection gets no more requests", async () => {
    await start(
      (stream, headers, session) => {
        if (headers[":path"] === "/reset") stream.destroy(new Error("reset"));
        if (headers[":path"] === "/") ok(stream, headers, session);
      },
      { readMs: 200 },
    );
    expect((await fixture.visit("/reset")).status).toBe(520);
    expect((await fixture.visit("/")).status).toBe(200);
    expect(sessions).toHaveLength(1);
    expect((await fixture.visit("/silent")).status).toBe(524);
    expect((await fixture.visit("/")).status).toBe(200);
    expect(sessions).toHaveLength(2);
  });

  test("525, 526 and 521 are as over HTTP/1.1; 520 where HTTP/2 is negotiated and not spoken", async () => {
    await start(ok);
    const wrong = certificate(fixture.world.cas.sharedPullCa, [SITE]);
    fixture.origin.setSecureContext({ cert: wrong.certificate, key: wrong.privateKey });
    expect((await fixture.visit("/")).status).toBe(526);
    fixture.origin.setSecureContext({ ciphers: "ECDHE-RSA-AES128-GCM-SHA256", maxVersion: "TLSv1.2" });
    expect((await fixture.visit("/")).status).toBe(525);
    const { port } = fixture.origin.address() as AddressInfo;
    await new Promise((resolve) => fixture.origin.close(resolve));
    expect((await fixture.visit("/")).status).toBe(521);
    const own = certificate(fixture.world.cas.originCa, [SITE]);
    const mute = tls.createServer({ cert: own.certificate, key: own.privateKey, ALPNProtocols: ["h2"] }, (socket) =>
      socket.on("error", () => undefined).end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    );
    await once(mute.listen(port, "127.0.0.1"), "listening");
    expect((await fixture.visit("/")).status).toBe(520);
    mute.close();
  });
});

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
