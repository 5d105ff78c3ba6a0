// What becomes of requests over HTTP/2 that the visitor or the origin ends early.

import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { certificate, SITE } from "./edge-fixture.ts";
import { begin, fixture, ok, sessions, start } from "./edge-http2-fixture.ts";

const { NGHTTP2_REFUSED_STREAM } = http2.constants;

afterEach(() => fixture.close());

/** A promise with its resolver. */
function signal<T = void>(): { done: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const done = new Promise<T>((settle) => (resolve = settle));
  return { done, resolve };
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
    expect(came).toBe(3);
    await fixture.visit("/");
    came = 0;
    expect((await fixture.visit("/stale", { method: "POST", body: "x" })).status).toBe(520);
    expect(came).toBe(1);
  });

  test("a refused stream is repeated twice, with its body, unless more was read than is kept", async () => {
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
    refusals = 3;
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
