// How the hooks' requests are repeated, asked of a server that refuses them for a while.

import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { openAccount } from "../../components/cloudflare-account.ts";
import { SEARCHES } from "../../components/orphan-cleanup/orphans.ts";

interface Reply {
  status?: number;
  retryAfter?: string;
  result?: unknown;
}

let server: http.Server | undefined;
afterEach(() => server?.close());

/** Starts a server that gives these answers one after the other. Returns its address, and when each request came. */
async function answering(reply: (path: string, request: number) => Reply): Promise<{ url: string; times: number[] }> {
  const times: number[] = [];
  server = http.createServer(({ url = "" }, response) => {
    const { status = 200, retryAfter, result = [] } = reply(url, times.push(performance.now()));
    response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter });
    response.end(JSON.stringify({ success: status === 200, result, errors: [] }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, times };
}

const gap = ([first = 0, second = 0]: readonly number[]) => second - first;

test.each([
  ["as a number of seconds", () => "1", 900],
  // A date has no fractions of a second.
  ["as a time", () => new Date(Date.now() + 2000).toUTCString(), 900],
  ["in a form that nobody knows", () => "soon", 0],
])("a refused request waits for the time that Retry-After gives %s", async (_form, retryAfter, least) => {
  const { url, times } = await answering((_path, request) =>
    request === 1 ? { status: 429, retryAfter: retryAfter() } : {},
  );
  await openAccount(url, "token", 1).list("things");
  expect(times).toHaveLength(2);
  expect(gap(times)).toBeGreaterThanOrEqual(least);
  expect(gap(times)).toBeLessThan(10_000);
});

test("a token that the list of policies lacks only once is not taken for unused", async () => {
  const policy = { id: "policy", include: [{ service_token: { token_id: "used" } }] };
  let looks = 0;
  const { url } = await answering((path) => {
    if (path.includes("service_tokens")) return { result: [{ id: "used", name: "phone" }] };
    return { result: path.includes("policies") && ++looks > 1 ? [policy] : [] };
  });
  const search = SEARCHES["cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken"];
  const wanted = { inputs: { accountId: "account", name: "phone" }, id: "own" };
  const site = { zoneId: "zone", hostname: "photos.example.com" };
  expect(await search?.(openAccount(url, "token", 1), wanted, site)).toEqual([]);
  expect(looks).toBe(2);
});
