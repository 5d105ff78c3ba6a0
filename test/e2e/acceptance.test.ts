// The part of the acceptance suite that runs the program itself, against the sandbox; test/acceptance has the rest.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { Laboratory, type Place } from "../acceptance/support/laboratory.ts";
import { clean } from "../acceptance/support/clean.ts";
import { startEngine } from "../acceptance/support/engine.ts";
import { NOTICEABLE, sandboxPlace, startWitnessed } from "../acceptance/support/places.ts";
import { probeEngine } from "../acceptance/support/probes/engine.ts";

let fixture: Awaited<ReturnType<typeof startWitnessed>>;
afterEach(() => fixture.close());

async function place(): Promise<Place> {
  fixture = await startWitnessed();
  await fixture.change((state) => Object.assign(state.options, NOTICEABLE));
  return sandboxPlace(fixture, { signal: new AbortController().signal, report: () => undefined });
}

const kinds = () => {
  const { access_apps: apps, access_policies: policies, service_tokens: tokens } = fixture.world.store.state;
  const { dns_records: records, origin_certificates: certificates } = fixture.world.store.state;
  const valid = certificates.filter(({ revoked_at }) => revoked_at === null);
  // The fixture has a record of its own.
  return { apps, policies, tokens, records: records.slice(1), valid };
};
const counts = () => Object.values(kinds()).map(({ length }) => length);

test("the program's objects are made, compared and deleted through the engine, each in one go", async () => {
  const here = await place();
  const shared = () => {
    const { zones, identity_providers: providers } = fixture.world.store.state;
    return JSON.stringify([zones[0]?.settings, providers]);
  };
  const before = shared();
  const lab = new Laboratory(here, "1234");
  await probeEngine(lab);
  const said = Object.entries(lab.measured).map(([fact, { said: what }]) => `${fact} ${what}`);
  expect(said).toEqual(["20.1 made in one go", "20.2 no change", "20.3 deleted in one go"]);
  expect(counts()).toEqual([0, 0, 0, 0, 0]);
  expect(shared()).toBe(before);
});

test("Ctrl-C while the engine runs ends the run in good order, with nothing left", async () => {
  const here = await place();
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "../acceptance/main.ts"), "--zone", DEV.zoneName, "--yes", "--api-url", here.api.url],
    { env: { ...process.env, CLOUDFLARE_API_TOKEN: here.api.token }, stdio: ["ignore", "pipe", "pipe"] },
  );
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  const ended = new Promise<unknown[]>((resolve) => child.once("close", (...how) => resolve(how)));
  await expect.poll(() => kinds().policies.length, { timeout: 180_000 }).toBeGreaterThan(0);
  child.kill("SIGINT");
  expect(await ended).toEqual([1, null]);
  const [table, progress] = await said;
  expect(progress).toMatch(/^interrupted: what was made is removed first[^]*^removing everything again$/m);
  expect(table).toContain("Not done to its end: the program itself: interrupted");
  expect(table).toContain("No difference from the sandbox in what was measured.");
  expect(counts()).toEqual([0, 0, 0, 0, 0]);
});

test("what an interrupted run of the engine has left is cleaned", async () => {
  const here = await place();
  const lab = new Laboratory(here, "1234");
  const deployment = await startEngine(here, `${lab.name}-engine.${DEV.zoneName}`);
  try {
    await deployment.up();
    expect(counts()).toEqual([1, 2, 1, 1, 1]);
    await clean(here);
    expect(counts()).toEqual([0, 0, 0, 0, 0]);
    const { hostname_certificates: left = [] } = fixture.world.store.state.zones[0]?.origin_pulls ?? {};
    expect(left).toEqual([]);
  } finally {
    await deployment.dispose();
  }
});
