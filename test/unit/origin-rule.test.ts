// The command that puts one origin rule into a zone, against the API double.
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { originRuleRef } from "../../components/origin-rule/names.ts";
import { type Action, ruleCommand, ruleScript } from "../../components/origin-rule/script.ts";
import type { OriginRule, Ruleset } from "../../dev/sandbox/api/state.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { type ApiFixture, startApiFixture } from "../../dev/sandbox/test/api-fixture.ts";

const PHOTOS = "photos.home.localhost";
const ALBUM = "album.home.localhost";

let fixture: ApiFixture;
let token: string;
beforeAll(async () => {
  fixture = await startApiFixture();
  ({ token } = await fixture.admin.createToken({ name: "rules", permissions: ["Origin Write"] }));
});
afterAll(() => fixture.close());
beforeEach(async () => {
  await fixture.admin.clearFaults();
  await setRulesets([]);
});

/** Runs the command as the engine does. Resolves to its exit status and what it said. */
async function run(action: Action, hostname: string, port: number): Promise<{ status: number; said: string }> {
  const zone = `${fixture.url}/zones/${DEV.zone}`;
  const child = spawn("/bin/sh", ["-c", ruleCommand(action)]);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stdin.end(ruleScript({ zone, token, hostname, port, revision: 0 }));
  const [status] = (await once(child, "close")) as [number];
  return { status, said };
}
const put = (port = 8443, hostname = PHOTOS) => run("put", hostname, port);
const remove = () => run("remove", PHOTOS, 8443);

async function setRulesets(rulesets: Ruleset[]) {
  const { zones } = await fixture.admin.state();
  await fixture.admin.alter({ zones: zones.map((zone) => ({ ...zone, rulesets })) });
}
const rulesets = async () => (await fixture.admin.state()).zones[0]?.rulesets ?? [];
const refs = async () => (await rulesets()).flatMap(({ rules }) => rules.map(({ ref }) => ref));

const rule = (ref: string): OriginRule => ({
  id: ref.padEnd(32, "0"),
  ref,
  version: "1",
  description: "",
  expression: "true",
  action: "route",
  action_parameters: { origin: { port: 9000 } },
  enabled: true,
  last_updated: "2026-01-01T00:00:00Z",
});
const owners = (...rules: OriginRule[]): Ruleset => ({
  id: "e".repeat(32),
  name: "default",
  kind: "zone",
  phase: "http_request_origin",
  version: "1",
  rules,
});

it("a rule is made, changed in place and taken away, with the entry point that it needed", async () => {
  expect(await put()).toMatchObject({ status: 0 });
  const [made] = (await rulesets())[0]?.rules ?? [];
  expect(made).toMatchObject({ ref: originRuleRef(PHOTOS), action_parameters: { origin: { port: 8443 } } });
  await put(9443);
  expect((await rulesets())[0]?.rules).toMatchObject([{ id: made?.id, action_parameters: { origin: { port: 9443 } } }]);
  const before = await rulesets();
  await put(9443);
  expect(await rulesets()).toEqual(before);
  expect(await remove()).toEqual({ status: 0, said: "" });
  expect(await rulesets()).toEqual([]);
  expect(await remove()).toEqual({ status: 0, said: "" });
});

it("the owner's rules stay as they are, and so does an entry point of the owner's that is empty", async () => {
  await setRulesets([owners(rule("a1"))]);
  await put();
  expect(await refs()).toEqual(["a1", originRuleRef(PHOTOS)]);
  await remove();
  expect((await rulesets())[0]?.rules).toEqual([rule("a1")]);
  await setRulesets([owners()]);
  await put();
  await remove();
  expect((await rulesets()).map(({ name }) => name)).toEqual(["default"]);
});

it("an entry point of ours stays while the owner has a rule in it", async () => {
  await put();
  const [ours] = await rulesets();
  await setRulesets([{ ...ours!, rules: [...ours!.rules, rule("a1")] }]);
  await remove();
  expect(await refs()).toEqual(["a1"]);
});

it("two names that begin at the same moment both get their rule", async () => {
  const both = await Promise.all([put(), put(8443, ALBUM)]);
  expect(both).toMatchObject([{ status: 0 }, { status: 0 }]);
  expect((await refs()).sort()).toEqual([originRuleRef(PHOTOS), originRuleRef(ALBUM)].sort());
});

it("a lost answer and a busy API are overcome", async () => {
  await fixture.admin.fault({ method: "POST", path: "/rulesets$", outcome: "status", status: 503, times: 1 });
  expect(await put()).toMatchObject({ status: 0 });
  expect(await refs()).toEqual([originRuleRef(PHOTOS)]);
});

it("a token that was just made is refused for some seconds, which the command waits for", async () => {
  const refusal = { outcome: "status", status: 403, code: 10000, message: "Unable to authenticate request" } as const;
  await fixture.admin.fault({ ...refusal, method: "GET", path: "/entrypoint$", times: 2 });
  expect(await put()).toMatchObject({ status: 0 });
});

it("a page of something on the way does not count as a rule that is gone", async () => {
  const server = http.createServer((_request, response) => void response.end("<html>Log in to this network</html>"));
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    const zone = `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}`;
    const child = spawn("/bin/sh", ["-c", ruleCommand("remove")]);
    const said = text(child.stderr);
    child.stdin.end(ruleScript({ zone, token, hostname: PHOTOS, port: 8443, revision: 0 }));
    const [status] = (await once(child, "close")) as [number];
    expect(await said).toMatch(/the answer is not one of Cloudflare's API\n$/);
    expect(status).toBe(1);
  } finally {
    server.close();
  }
});

it("ten rules, and a token without the permission, are refused with the way out", async () => {
  await setRulesets([owners(...Array.from({ length: 10 }, (_, index) => rule(`a${index.toString()}`)))]);
  expect(await put()).toEqual({
    status: 1,
    said: expect.stringMatching(/exceeded maximum number of rules .*delete an origin rule/s) as string,
  });
  ({ token } = await fixture.admin.createToken({ name: "weak", permissions: ["DNS Write"] }));
  const { status, said } = await remove();
  expect({ status, said }).toEqual({ status: 1, said: expect.stringContaining('"Origin Rules > Edit"') as string });
  expect(said).not.toContain(token);
});
