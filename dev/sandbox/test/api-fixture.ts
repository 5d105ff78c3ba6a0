// An API double of its own in a temporary folder, and a client for it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { type SandboxApi, apiSocket, sandboxApi } from "../api/client.ts";
import { type RunningApi, startApi } from "../api/server.ts";
import { devToken } from "../api/world.ts";

/** What tests read of results; which of it is there depends on what was asked for. */
export interface Result {
  id: string;
  aud: string;
  status: string;
  enabled: boolean;
  certificate: string;
  hostnames: string[];
  expires_on: string;
  policies: object[];
  client_id: string;
  client_secret: string;
  expires_at: string;
  ipv4_cidrs: string[];
  ipv6_cidrs: string[];
}

/** An answer of the API, in its envelope. */
export interface Reply {
  status: number;
  headers: Headers;
  success: boolean;
  errors: { code: number; message: string }[];
  result: Result;
  result_info?: Record<string, number>;
}

export interface ApiFixture {
  api: RunningApi;
  admin: SandboxApi;
  /** Where the API is, as the setting `apiUrl` has it. */
  readonly url: string;
  /** The dev stack's token. */
  token: string;
  /** A request under /client/v4, with the dev stack's token unless another is given; `null` sends none. */
  call: (method: string, path: string, body?: unknown, token?: string | null) => Promise<Reply>;
  /** Ends the process's part and starts it again on the same folder. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startApiFixture(): Promise<ApiFixture> {
  const stateDir = mkdtempSync(join(tmpdir(), "api-"));
  const folder = join(stateDir, "sandbox", "api");
  const start = (): Promise<RunningApi> => startApi({ folder, socket: apiSocket(stateDir), port: 0 });
  const fixture: ApiFixture = {
    api: await start(),
    admin: sandboxApi(stateDir),
    get url() {
      return `http://127.0.0.1:${fixture.api.port}/client/v4`;
    },
    token: devToken(join(folder, "token")),
    async call(method, path, body, token = fixture.token) {
      const response = await fetch(fixture.url + path, {
        method,
        headers: token === null ? {} : { authorization: `Bearer ${token}` },
        body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
      });
      const envelope = (await response.json()) as Omit<Reply, "status" | "headers">;
      return { status: response.status, headers: response.headers, ...envelope };
    },
    async restart() {
      await fixture.api.close();
      fixture.api = await start();
    },
    async close() {
      await fixture.api.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  return fixture;
}

/** Status and error code of a refusal, after checking the envelope that all refusals share. */
export function refusal(reply: Reply): [status: number, code: number | undefined] {
  expect(reply).toMatchObject({ success: false, messages: [], result: null });
  expect(reply.headers.get("x-should-retry")).toBe("false");
  expect(reply.errors.length).toBeGreaterThan(0);
  return [reply.status, reply.errors[0]?.code];
}
