// What `npm run acceptance` answers before it makes anything.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { type Fixture, startFixture } from "../../dev/sandbox/test/edge-fixture.ts";

let fixture: Fixture;
let token: string;
beforeAll(async () => {
  fixture = await startFixture();
  ({ token } = await fixture.admin.createToken({ name: "acceptance" }));
});
afterAll(() => fixture.close());

async function acceptance(args: readonly string[], apiToken = token) {
  const url = `http://127.0.0.1:${fixture.api.port.toString()}/client/v4`;
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), "--api-url", url, ...args], {
    env: { ...process.env, CLOUDFLARE_API_TOKEN: apiToken },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}

const ours = (args: readonly string[] = ["--yes"]) => acceptance(["--zone", DEV.zoneName, ...args]);

test("a zone that is not there is named, with those that are", async () => {
  const said = `the token can read no zone nope.example, of all zones it reads: ${DEV.zoneName}\n`;
  expect(await acceptance(["--zone", "nope.example", "--yes"])).toEqual({ code: 1, stdout: "", stderr: said });
});

test("no name means no zone, not the account's first one", async () => {
  const { code, stderr } = await acceptance(["--zone", "", "--yes"]);
  expect(stderr).toMatch(/^--zone has no name\n/);
  expect(code).toBe(2);
});

test("a zone may be written in Unicode and in capitals", async () => {
  const zones = structuredClone(fixture.world.store.state.zones);
  await fixture.change((state) => Object.assign(state.zones[0]!, { name: "bücher.example" }));
  const names = ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example"];
  const runs = await Promise.all(names.map((name) => acceptance(["--zone", name, "--clean"])));
  for (const run of runs) expect(run).toMatchObject({ code: 0, stderr: "" });
  await fixture.change((state) => Object.assign(state, { zones }));
});

test("a token that Cloudflare does not know, and no answer at all, are one line each", async () => {
  const unknown = await acceptance(["--zone", DEV.zoneName, "--yes"], "x".repeat(40));
  expect(unknown.stderr).toMatch(/^GET \/zones\S* is refused: 401, 1000\. See that CLOUDFLARE_API_TOKEN is [^\n]+\n$/);
  const nobody = await ours(["--yes", "--api-url", "http://127.0.0.1:9/client/v4"]);
  expect(nobody.stderr).toMatch(/^GET \/zones\S* gets no answer of Cloudflare: [^\n]+\n$/);
  expect([unknown.code, nobody.code]).toEqual([1, 1]);
});

test("a token with too few permissions is refused before anything is made", async () => {
  const { token: weak } = await fixture.admin.createToken({ name: "weak", permissions: ["Zone Read", "DNS Write"] });
  const { code, stderr } = await acceptance(["--zone", DEV.zoneName, "--yes"], weak);
  expect(stderr).toMatch(/^GET \S+ is refused: 403, \d+\. The token needs the permissions that `npm run configure` /);
  expect(code).toBe(1);
  expect(fixture.world.store.state.origin_certificates).toEqual([]);
}, 60_000);

test("what another run has made is not taken from it", async () => {
  const name = "immich-access-acceptance-1234";
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const url = `http://127.0.0.1:${fixture.api.port.toString()}/client/v4/accounts/${DEV.account}/access/service_tokens`;
  await fetch(url, { method: "POST", headers, body: JSON.stringify({ name, duration: "24h" }) });
  const { code, stderr } = await ours();
  expect(stderr).toMatch(
    /^1 objects of the suite's are there already, as \/accounts\/\S+: another run is going on, or one /,
  );
  expect(code).toBe(1);
  expect(await ours(["--clean"])).toMatchObject({ code: 0, stdout: "1 removed.\n" });
  expect(await ours(["--clean"])).toMatchObject({ code: 0, stdout: "Nothing of the suite's is there.\n" });
});

test("options that would do nothing are refused, and so is a record that cannot be written", async () => {
  expect((await ours(["--as-measured"])).stderr).toMatch(/^--as-measured does nothing with --zone\n/);
  expect((await acceptance(["--sandbox"])).stderr).toMatch(/^--api-url does nothing with --sandbox\n/);
  expect((await ours(["--json", "/nowhere/a.json"])).stderr).toMatch(
    /^--json \/nowhere\/a\.json cannot be written: ENOENT/,
  );
});
