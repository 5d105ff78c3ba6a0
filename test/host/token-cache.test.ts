// What nginx remembers of tokens, beside requests that last. Longer than its cache forgets, they would have it note an
// alert each time it looks.
import { once } from "node:events";
import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import WebSocket from "ws";
import { type Origin, SITE } from "./support/origin.ts";
import { startCheckedOrigin, type Team } from "./support/team.ts";

/** As often as nginx looks at its cache, in milliseconds. */
const LOOK = 10_000;

let origin: Origin;
let team: Team;

beforeAll(async () => {
  ({ origin, team } = await startCheckedOrigin());
  // A second instead of ten minutes.
  const files = await origin.run("grep -rl 'inactive=10m' /etc/nginx");
  await origin.reloadNginx(`sed -i 's/ inactive=10m / inactive=1s /' ${files}`);
});
afterAll(async () => {
  team.close();
  await origin.close();
});

const alerts = async () =>
  Number(await origin.run("cat /var/log/nginx/error.log | grep -c 'ignore long locked inactive cache entry' || true"));

const remembered = () => origin.run("find /run/immich-access-tokens-* -type f");

/** Headers with a token that nginx has just accepted and remembers. */
async function warm(): Promise<{ "cf-access-jwt-assertion": string }> {
  const headers = { "cf-access-jwt-assertion": await team.token() };
  expect((await origin.get("/api/server/ping", { headers })).status).toBe(200);
  expect(await remembered()).not.toBe("");
  return headers;
}

/** Begins an upload that never ends; returns what breaks it off. */
async function upload(path: string): Promise<() => void> {
  const before = origin.received;
  const headers = { ...(await warm()), "content-length": 4 };
  const request = await origin.request(path, { method: "POST", headers });
  request.on("error", () => undefined).write("x");
  await expect.poll(() => origin.received).toBe(before + 1);
  return () => request.destroy();
}

/** Begins a download of which nobody takes more than the first bytes; returns what breaks it off. */
async function download(path: string): Promise<() => void> {
  const request = await origin.request(path, { headers: await warm() });
  request.on("error", () => undefined).end();
  await once(request, "response");
  return () => request.destroy();
}

async function websocket(): Promise<() => void> {
  const [headers, socket] = [await warm(), await origin.connect()];
  const opened = new WebSocket(`ws://${SITE}/api/socket.io/`, { createConnection: () => socket, headers });
  await once(opened, "open");
  return () => {
    opened.terminate();
  };
}

test("a websocket, an upload and an original make nginx note no alert, and it forgets their tokens", async () => {
  const ends = [await websocket(), await upload("/api/assets"), await download("/large/original?edited=true")];
  await sleep(2.5 * LOOK);
  expect(await alerts()).toBe(0);
  expect(await remembered()).toBe("");
  for (const end of ends) end();
});

test("what does not usually last makes it note one, which the test before would have seen", async () => {
  const end = await download("/large");
  await expect.poll(alerts, { timeout: 4 * LOOK, interval: 1000 }).toBeGreaterThan(0);
  end();
});

test("more tokens at once than the cache has room for are all admitted", async () => {
  // The least that nginx takes: some 130 tokens
  const files = await origin.run("grep -rl 'keys_zone=immich-access-.*:512k' /etc/nginx");
  await origin.reloadNginx(`sed -i 's/\\(keys_zone=immich-access-[^:]*\\):512k/\\1:32k/' ${files}`);
  const sessions = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const socket = await origin.connect({ protocols: ["h2"] });
      return http2.connect(`https://${SITE}`, { createConnection: () => socket });
    }),
  );
  const ask = (session: http2.ClientHttp2Session, path: string, token: string) => {
    const stream = session.request({ ":path": path, "cf-access-jwt-assertion": token });
    stream.on("error", () => undefined).end();
    return stream.resume();
  };
  const statuses = new Set<unknown>();
  for (const session of sessions) {
    session.on("error", () => undefined);
    for (let held = 0; held < 100; held += 1) {
      const [token, before] = [await team.token(), origin.requests];
      const [headers] = (await once(ask(session, "/", token), "response")) as [http2.IncomingHttpHeaders];
      statuses.add(headers[":status"]);
      // What nginx remembers of the token stays in use as long as this request.
      ask(session, "/held", token).on("response", (refused: http2.IncomingHttpHeaders) => {
        statuses.add(refused[":status"]);
      });
      await expect.poll(() => origin.requests - before, { interval: 5 }).toBe(2);
    }
  }
  expect(statuses).toEqual(new Set([200]));
  for (const session of sessions) session.destroy();
});
