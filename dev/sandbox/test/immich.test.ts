import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { PYTHON } from "../../../test/support/python.ts";

const PROGRAM = join(import.meta.dirname, "../immich/immich.py");

let program: ChildProcess;
let port: number;
beforeAll(async () => {
  program = spawn(PYTHON, ["-I", PROGRAM, "0"], { stdio: ["ignore", "pipe", "ignore"] });
  if (program.stdout === null) throw new Error("no output");
  const [line] = (await once(createInterface(program.stdout), "line")) as [string];
  port = Number(/\d+$/.exec(line)?.[0]);
});
afterAll(() => program.kill());

const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);

test("the sandbox's Immich answers the ping, the page and what apps look up", async () => {
  expect(await (await get("/api/server/ping")).json()).toEqual({ res: "pong" });
  expect(await (await get("/")).text()).toContain("<title>Immich</title>");
  expect(await (await get("/.well-known/immich")).json()).toEqual({ api: { endpoint: "/api" } });
  expect((await get("/share/key?password=1")).status).toBe(200);
  expect((await get("/nowhere")).status).toBe(404);
});

test("the sandbox's Immich shows a request as it arrived", async () => {
  const answer = await fetch(`http://127.0.0.1:${port}/api/debug/request?a=b`, { headers: { "x-one": "1" } });
  const { path, headers } = (await answer.json()) as { path: string; headers: [string, string][] };
  expect(path).toBe("/api/debug/request?a=b");
  expect(headers).toContainEqual(["x-one", "1"]);
});

test.each(["content-length", "transfer-encoding"])(
  "the sandbox's Immich accepts an upload with %s as it streams in",
  async (framing) => {
    const [first, second] = [randomBytes(300_000), randomBytes(200_000)];
    const length = framing === "content-length" ? { "content-length": 500_000 } : {};
    const request = http.request({ port, host: "127.0.0.1", method: "POST", path: "/api/assets", headers: length });
    request.write(first);
    await expect
      .poll(async () => ((await (await get("/api/debug/uploads")).json()) as object[]).at(-1))
      .toEqual({ bytes: 300_000, done: false });
    request.end(second);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    const body = JSON.parse((await response.toArray()).join("")) as object;
    expect(response.statusCode).toBe(201);
    expect(body).toMatchObject({
      bytes: 500_000,
      sha256: createHash("sha256").update(first).update(second).digest("hex"),
    });
  },
);

test("the sandbox's Immich echoes over a websocket, small and large, and closes when asked to", async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/socket.io/`);
  await once(socket, "open");
  for (const message of ["hello", "x".repeat(1000), "y".repeat(100_000)]) {
    socket.send(message);
    const [echo] = (await once(socket, "message")) as [Buffer];
    expect(echo.toString()).toBe(message);
  }
  socket.ping("still there");
  expect(String((await once(socket, "pong"))[0])).toBe("still there");
  socket.close(1000);
  expect((await once(socket, "close"))[0]).toBe(1000);
});
