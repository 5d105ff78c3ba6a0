// Which answers the strangers of the end-to-end tests recognise as Immich's.

import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PYTHON } from "../support/python.ts";

const STRANGERS = join(import.meta.dirname, "../e2e/support/strangers.py");
// As in the token of a login that is under way: base64 has every four letters sooner or later.
const LOGIN = "https://team.cloudflareaccess.com/cdn-cgi/access/login/photos?meta=eyJpongJ9";

/** What strangers tell of a server that answers every request like this. */
async function told(status: number, headers: http.OutgoingHttpHeaders, body: string): Promise<string[]> {
  const server = http.createServer((_request, response) => response.writeHead(status, headers).end(body));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const way = { way: "plain", address: "127.0.0.1", port, kind: "http", every_ms: 10 };
  const strangers = spawn(PYTHON, ["-IB", STRANGERS, "photos.example.com", JSON.stringify([way])]);
  let output = "";
  strangers.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(server, "request");
  strangers.stdin.end();
  await once(strangers, "close");
  server.close();
  const { attempts } = JSON.parse(output) as { attempts: { answer: string }[] };
  return attempts.map(({ answer }) => answer);
}

test("the strangers' check recognises an answer of Immich", async () => {
  expect(await told(200, {}, '{"res":"pong"}')).toEqual(["pong"]);
});

test("the strangers' check does not mistake a redirect to the login for Immich, whatever its token contains", async () => {
  expect(await told(302, { location: LOGIN }, `<a href="${LOGIN}">Found</a>`)).toEqual(["302"]);
});

test("the strangers' check does not mistake a page without Immich's answer for Immich", async () => {
  expect(await told(200, { "set-cookie": "session=pong" }, "<p>Log in</p>")).toEqual(["200"]);
});
