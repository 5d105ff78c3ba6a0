// The acceptance suite against the sandbox, which has to say what the suite writes down as its word.
import { afterEach, expect, test } from "vitest";
import type { Options } from "../../dev/sandbox/api/state.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import type { Fixture } from "../../dev/sandbox/test/edge-fixture.ts";
import { clean, findLeft } from "./support/clean.ts";
import { FACTS } from "./support/facts.ts";
import { Laboratory, type Place } from "./support/laboratory.ts";
import { NOTICEABLE, sandboxPlace, startWitnessed } from "./support/places.ts";
import { asTable } from "./support/report.ts";
import { compared, measure, type Row } from "./support/suite.ts";

let fixture: Awaited<ReturnType<typeof startWitnessed>>;
afterEach(() => fixture.close());

async function place(options: Partial<Options>, signal = new AbortController().signal): Promise<Place> {
  fixture = await startWitnessed();
  await fixture.change((state) => Object.assign(state.options, options));
  // engine.test.ts has the engine.
  return { ...(await sandboxPlace(fixture, { signal, report: () => undefined }, fixture.witness)), hasEngine: false };
}

const notMeasured = (rows: readonly Row[]) =>
  rows.filter(({ said }) => said.startsWith("not measured")).map(({ fact }) => fact);

/** What the sandbox has after a run, of all that a run can make. */
function left({ origin_certificates, dns_records, zones, ...state }: Fixture["world"]["store"]["state"]): unknown[] {
  const { hostname_certificates = [], hostnames = [] } = zones[0]?.origin_pulls ?? {};
  return [
    ...origin_certificates.filter(({ revoked_at }) => revoked_at === null),
    ...dns_records.filter(({ id }) => id !== "1"),
    ...[state.access_apps, state.access_policies, state.service_tokens, hostname_certificates, hostnames].flat(),
  ];
}

test("the sandbox with delays says of every fact what is written down, and nothing is left", async () => {
  const { measured, problems, removed } = await measure(await place(NOTICEABLE));
  expect(problems).toEqual([]);
  const rows = compared(measured);
  expect(rows.filter(({ differs }) => differs)).toEqual([]);
  expect(notMeasured(rows)).toEqual(["20.1", "20.2", "20.3"]);
  expect(removed.length).toBeGreaterThan(10);
  expect(left(fixture.world.store.state)).toEqual([]);
});

test("without an origin, only what needs one is not measured, and the table says so", async () => {
  const here = await place({});
  const { measured, problems } = await measure({ ...here, witness: undefined });
  expect(problems).toEqual([]);
  const rows = compared(measured);
  expect(notMeasured(rows)).toEqual(["16.1", "18.1", "20.1", "20.2", "20.3"]);
  expect(asTable(rows).match(/not measured: needs --origin$/gm)).toHaveLength(2);
});

test("an edge that presents no certificate of the host name, and speaks HTTP/1.1, is a difference", async () => {
  const here = await place({ hostname_pulls_need_zone_setting: true });
  await fixture.change((state) => {
    state.zones[0]!.settings["origin_max_http_version"] = { value: "1", modified_on: null };
  });
  const { measured } = await measure({ ...here, patience: 2000 });
  const found = compared(measured).filter(({ fact }) => fact === "16.1" || fact === "18.1");
  expect(found).toMatchObject([
    { differs: true, said: expect.stringMatching(/^HTTP\/1\.1$/) as string },
    { differs: true, said: expect.stringMatching(/^no certificate, and no more/) as string },
  ]);
});

test("every group of facts has one", () => {
  const groups = new Set(Object.keys(FACTS).map((fact) => Number(fact.split(".")[0])));
  expect([...groups].sort((one, other) => one - other)).toEqual(
    Array.from({ length: 20 }, (_none, index) => index + 1),
  );
});

test("a prompt sandbox differs in what takes time, and the suite sees that", async () => {
  const { measured } = await measure(await place({ access_policy_ms: 0, access_enforcement_ms: 0 }));
  const differing = compared(measured).filter(({ differs }) => differs);
  expect(differing.map(({ fact }) => fact)).toEqual(expect.arrayContaining(["4.1", "6.1"]));
});

test("a refusal with another code is a difference", async () => {
  const here = await place(NOTICEABLE);
  const rule = { method: "POST", path: "/access/apps$", outcome: "status", status: 404, code: 7, times: 2 } as const;
  await fixture.admin.fault(rule);
  const { measured } = await measure(here);
  const row = compared(measured).find(({ fact }) => fact === "6.1");
  expect(row).toMatchObject({ differs: true, said: expect.stringContaining("refused: 404, 7") as string });
});

test("a run that is interrupted removes what it has made", async () => {
  const stop = new AbortController();
  const here = await place({ ...NOTICEABLE, origin_pull_activation_ms: 60_000 }, stop.signal);
  const running = measure({ ...here, witness: undefined });
  await expect.poll(() => fixture.world.store.state.zones[0]?.origin_pulls.hostname_certificates.length).toBe(1);
  stop.abort();
  await fixture.change((state) => {
    for (const one of state.zones[0]?.origin_pulls.hostname_certificates ?? [])
      one.active_from = "2020-01-01T00:00:00Z";
  });
  const { problems } = await running;
  expect(problems).toEqual(["the origin pulls: interrupted"]);
  expect(left(fixture.world.store.state)).toEqual([]);
});

test("what somebody else has made stays, also under a name that only looks like the suite's", async () => {
  const here = await place({});
  const make = (name: string) =>
    here.api.must("POST", `/accounts/${DEV.account}/access/policies`, {
      name,
      decision: "allow",
      include: [{ everyone: {} }],
    });
  const lab = new Laboratory(here, "1234");
  await make("mine immich-access-acceptance-1");
  await make(lab.name);
  expect(await clean(here)).toHaveLength(1);
  expect(fixture.world.store.state.access_policies.map(({ name }) => name)).toEqual([
    "mine immich-access-acceptance-1",
  ]);
});

test("a run takes nothing from another one, whose objects are found", async () => {
  const here = await place({});
  const other = new Laboratory(here, "5678");
  const { id } = (await here.api.must("POST", other.access("/service_tokens"), { name: other.name })).result;
  expect(await findLeft(here)).toEqual([other.access(`/service_tokens/${String(id)}`)]);
  const { problems } = await measure({ ...here, witness: undefined });
  expect(problems).toEqual([]);
  expect(fixture.world.store.state.service_tokens.map(({ name }) => name)).toEqual([other.name]);
});

test("a list that the token cannot read any more keeps nothing else from being removed, nor the measurements", async () => {
  const here = await place({});
  const refusal = { method: "GET", outcome: "status", status: 404, code: 10000, skip: 1 } as const;
  await fixture.admin.fault({ ...refusal, path: "/access/service_tokens$" });
  const { measured, problems } = await measure({ ...here, witness: undefined });
  expect(Object.keys(measured).length).toBeGreaterThan(25);
  expect(problems).toEqual([
    expect.stringMatching(
      /^not everything could be removed, so run it again with --clean: GET .*service_tokens.* is refused: 404/,
    ),
  ]);
  const { access_apps: apps, service_tokens: tokens, zones } = fixture.world.store.state;
  expect([apps.length, tokens.length, zones[0]?.origin_pulls.hostname_certificates.length]).toEqual([0, 3, 0]);
});

test("an interruption between two parts is told", async () => {
  const stop = new AbortController();
  const here = await place({}, stop.signal);
  const report = (line: string) => {
    if (line === "measuring Access") stop.abort();
  };
  expect((await measure({ ...here, witness: undefined, report })).problems).toEqual([
    expect.stringMatching("interrupted"),
  ]);
});
