// The plugins send the requests of the recorded traces and end with the recorded state, on the real engine.
// Where the official CLI is in use, the same holds for the official plugins.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RecordingApi, account, zone } from "./support/api.ts";
import type { Request } from "./support/api.ts";
import { Engine } from "./support/engine.ts";
import { comparable, exportedState, recordedState, trace } from "./support/traces.ts";

const apiToken = "conformance-token-0123456789-0123456789-0123";
const withoutQuestions = ["--yes", "--skip-preview"];
const onlyRanges: Request[] = [{ method: "GET", path: "/client/v4/ips" }];

/** Where the first request that fits is in `requests`. */
function position(requests: readonly Request[], method: string, path: RegExp): number {
  const found = requests.findIndex((request) => request.method === method && path.test(request.path));
  expect(found, `${method} ${path.source}`).toBeGreaterThanOrEqual(0);
  return found;
}

describe("the recorded program", () => {
  const api = new RecordingApi();
  let engine: Engine;
  const named = (requests: readonly Request[]) => comparable(requests, (text) => api.nameIds(text));

  beforeAll(async () => {
    await api.start();
    engine = await Engine.create(join(import.meta.dirname, "program"), {
      apiUrl: api.url,
      "apiToken!": apiToken,
      zoneId: zone,
      accountId: account,
      phase: "1",
    });
  });

  afterAll(async () => {
    engine.remove();
    await api.stop();
  });

  test("the recorded program's preview asks for the ranges and nothing else", async () => {
    const output = await engine.succeed("preview");
    expect(output).toContain("22 to create");
    expect(named(api.take())).toEqual(trace("preview"));
  });

  test("the recorded program's up sends the recorded requests and ends with the recorded state", async () => {
    await engine.succeed("up", ...withoutQuestions);
    const requests = api.take();
    expect(named(requests)).toEqual(trace("create"));
    const app = position(requests, "POST", /\/access\/apps$/);
    expect(position(requests, "POST", /\/dns_records$/)).toBeGreaterThan(app);
    expect(position(requests, "POST", /\/identity_providers$/)).toBeLessThan(app);

    const { resources } = await engine.state();
    expect(exportedState(resources, (text) => api.nameIds(text))).toEqual(recordedState());
  });

  test("the recorded program's state has no secret in plain text", async () => {
    const { text } = await engine.state();
    expect(api.secrets).toHaveLength(1);
    for (const secret of [...api.secrets, apiToken, "PRIVATE KEY"]) expect(text).not.toContain(secret);
    const shown = await engine.succeed("stack", "output", "--show-secrets", "--json");
    expect(shown).toContain(api.secrets[0]);
  });

  test("the recorded program's second up asks for the ranges and changes nothing", async () => {
    const output = await engine.succeed("up", ...withoutQuestions, "--expect-no-changes");
    expect(output).toContain("unchanged");
    expect(named(api.take())).toEqual(trace("up-again"));
  });

  test("the recorded program's refresh reads every resource and finds nothing changed", async () => {
    await engine.succeed("refresh", ...withoutQuestions, "--expect-no-changes");
    expect(named(api.take())).toEqual(trace("refresh"));
    const { resources } = await engine.state();
    expect(exportedState(resources, (text) => api.nameIds(text))).toEqual(recordedState());
    await engine.succeed("up", ...withoutQuestions, "--expect-no-changes");
    expect(api.take()).toEqual(onlyRanges);
  });

  test("a changed program sends the recorded updates, and the new secret arrives", async () => {
    await engine.configure({ phase: "2" });
    const preview = await engine.succeed("preview", "--diff");
    expect(preview).toContain("5 to update");
    expect(api.take()).toEqual(onlyRanges);
    await engine.succeed("up", ...withoutQuestions);
    expect(named(api.take())).toEqual(trace("update"));
    expect(api.secrets).toHaveLength(2);
    expect(await engine.succeed("stack", "output", "clientSecret", "--show-secrets")).toContain(api.secrets[1]);
  });

  test("a refresh drops a resource that was deleted outside, and up creates it again", async () => {
    const { resources } = await engine.state();
    const record = resources.find(({ type }) => type.endsWith(":DnsRecord"))!;
    const path = `/client/v4/zones/${zone}/dns_records/${record.outputs!.id as string}`;
    await fetch(new URL(path, api.url), { method: "DELETE" });
    const output = await engine.succeed("refresh", ...withoutQuestions);
    expect(output).toContain("removed from state");
    api.take();
    await engine.succeed("up", ...withoutQuestions);
    expect(api.take().map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /client/v4/ips",
      `POST /client/v4/zones/${zone}/dns_records`,
    ]);
  });

  test("an error of the API is shown with request, status and answer, and not repeated", async () => {
    await engine.configure({ phase: "1" });
    const path = `/client/v4/zones/${zone}/settings/ssl`;
    const body = '{"success":false,"errors":[{"code":1007,"message":"Invalid value for zone setting ssl"}]}';
    api.failures.set(`PATCH ${path}`, { status: 429, body });
    const { code, output } = await engine.run("up", ...withoutQuestions);
    expect(code).not.toBe(0);
    expect(output).toContain(`PATCH "${new URL(path, api.url).href}": 429 Too Many Requests ${body}`);
    expect(api.take().filter((request) => request.path === path)).toHaveLength(1);
    await engine.succeed("up", ...withoutQuestions);
    expect(position(api.take(), "PATCH", /settings\/ssl$/)).toBeGreaterThanOrEqual(0);
  });

  test("the recorded program's destroy sends the recorded requests, dependents first", async () => {
    await engine.succeed("destroy", ...withoutQuestions);
    const requests = api.take();
    expect(named(requests)).toEqual(trace("destroy"));
    const app = position(requests, "DELETE", /\/access\/apps\//);
    expect(position(requests, "DELETE", /\/dns_records\//)).toBeLessThan(app);
    expect(position(requests, "DELETE", /\/access\/policies\//)).toBeGreaterThan(app);
    expect(position(requests, "DELETE", /\/identity_providers\//)).toBeGreaterThan(app);
    expect(position(requests, "PUT", /\/hostnames$/)).toBeLessThan(
      position(requests, "DELETE", /\/hostnames\/certificates\//),
    );
    expect((await engine.state()).resources).toEqual([]);
  });
});
