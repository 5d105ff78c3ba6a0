// The part of the acceptance suite that runs the program itself, against the sandbox; test/acceptance has the rest.
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
