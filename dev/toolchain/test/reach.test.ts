// The question whether the download site answers, asked of real servers on loopback.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { RequestListener } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { certificate, selfIssuer } from "../x509/certificate.ts";
import { distinguishedName, hostName } from "../x509/names.ts";
import { downloadsReachable } from "../reach.ts";
import { folder } from "./fixture.ts";

const minutes = 60_000;

function selfSigned(): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = distinguishedName([]);
  const contents = { subject, publicKey, names: [hostName("127.0.0.1")], allowedUses: [], subjectKeyId: true };
  const validity = { from: new Date(Date.now() - minutes), until: new Date(Date.now() + 60 * minutes) };
  const { pem } = certificate(
    { ...contents, ...validity, isCa: true, maxPathLength: 0 },
    selfIssuer(subject, privateKey, false),
  );
  return { key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), cert: pem };
}

const trusted = selfSigned();

beforeAll(() => {
  tls.setDefaultCACertificates([trusted.cert]);
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/install.sh`;
}

const site = (answer: RequestListener, identity = trusted) => listen(createServer(identity, answer));
const status = (code: number): Promise<string> => site((_request, response) => response.writeHead(code).end());

it.each([
  [200, true],
  [302, true],
  [403, false],
  [503, false],
])("a download site with status %i is reachable: %s", async (code, online) => {
  const memory = join(folder(), "memory.json");
  expect(await downloadsReachable({ memory, url: await status(code) })).toBe(online);
  expect(existsSync(memory)).toBe(false); // it was quick, so it can be asked again
});

it("a download site on a port where nobody listens is not reachable", async () => {
  const closed = createTcpServer();
  const url = await listen(closed);
  await new Promise((resolve) => closed.close(resolve));
  expect(await downloadsReachable({ memory: join(folder(), "memory.json"), url })).toBe(false);
});

it("a download site with an untrusted certificate is not reachable", async () => {
  const url = await site((_request, response) => response.end(), selfSigned());
  expect(await downloadsReachable({ memory: join(folder(), "memory.json"), url })).toBe(false);
});

it("a silent download site is not reachable after the time limit, and that is cached", async () => {
  let asked = 0;
  const silent = createTcpServer((socket) => {
    asked++;
    socket.on("error", () => undefined);
  });
  const url = await listen(silent);
  const memory = join(folder(), "below", "memory.json");
  const started = Date.now();
  expect(await downloadsReachable({ memory, url, timeout: 700 })).toBe(false);
  expect(Date.now() - started).toBeGreaterThanOrEqual(690);
  expect(await downloadsReachable({ memory, url, timeout: 700 })).toBe(false);
  expect(asked).toBe(1);
  expect((JSON.parse(readFileSync(memory, "utf8")) as { online: boolean }).online).toBe(false);
});

it("a slow answer of the download site is cached too", async () => {
  const url = await site((_request, response) => void setTimeout(() => response.end(), 600));
  const memory = join(folder(), "memory.json");
  expect(await downloadsReachable({ memory, url })).toBe(true);
  expect(await downloadsReachable({ memory, url: await status(503) })).toBe(true);
});

it.each([
  ["older than ten minutes", JSON.stringify({ online: false, at: Date.now() - 11 * minutes })],
  ["from the future", JSON.stringify({ online: false, at: Date.now() + minutes })],
  ["damaged", '{"online":fal'],
  ["without a time", '{"online":false}'],
])("a cached answer about the download site is ignored if it is %s", async (_what, content) => {
  const memory = join(folder(), "memory.json");
  writeFileSync(memory, content);
  expect(await downloadsReachable({ memory, url: await status(200) })).toBe(true);
});
