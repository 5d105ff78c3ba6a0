// What goes to Cloudflare's API and what is read from it exists in the types that Cloudflare publishes (npm: cloudflare).

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { askAdoption } from "../../cli/configure/adoption.ts";
import { askLogin, askZone, checkToken, hasAutomaticMode } from "../../cli/configure/cloudflare.ts";
import { Dialogue } from "../../cli/configure/dialogue.ts";
import { askNotifications } from "../../cli/configure/notifications.ts";
import { rivalTasks } from "../../cli/configure/rivals.ts";
import { apiReader } from "../../cli/doctor/cloudflare/api.ts";
import type { Application } from "../../cli/doctor/cloudflare/facts.ts";
import { cloudflareFindings } from "../../cli/doctor/cloudflare/collect.ts";
import { subjectsOf } from "../../cli/doctor/subjects.ts";
import { openAccount } from "../../components/cloudflare-account.ts";
import { ruleScript } from "../../components/origin-rule/script.ts";
import { moveAway, moveBack } from "../../components/record-switch.ts";
import { findOrphanedCertificates, SEARCHES } from "../../components/orphan-cleanup/orphans.ts";
import { PROGRAM_PERMISSIONS } from "../../dev/sandbox/api/tokens.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { type ApiFixture, startApiFixture } from "../../dev/sandbox/test/api-fixture.ts";
import { Client } from "../../dev/toolchain/plugins/cloudflare/client.ts";
import { getIpRanges } from "../../dev/toolchain/plugins/cloudflare/ip-ranges.ts";
import { resources } from "../../dev/toolchain/plugins/cloudflare/resources/index.ts";
import { checkSettings } from "../../settings/check.ts";
import { DEVIATIONS, type Deviation } from "./published/deviations.ts";
import { misfits, unpublished, unread } from "./published/fit.ts";
import { Life } from "./published/life.ts";
import { operationOf, OPERATIONS, requestText, sentBySdk } from "./published/operations.ts";
import { type Exchange, recordExchanges } from "./published/recorder.ts";
import { Types } from "./published/types.ts";
import { GOOD } from "./support/configuration.ts";
import type { Registered } from "./support/mocks.ts";
import { registered, run } from "./support/program.ts";

const hostname = "photos.home.localhost";
const HERE = { hostname, zoneId: DEV.zone, accountId: DEV.account, teamDomain: DEV.teamDomain };
const ROTATION = { secretVersion: 2, previousSecretExpiresAt: new Date(Date.now() + 86_400_000).toISOString() };

const ROTATED = { deviceRotations: JSON.stringify({ frame: ROTATION }) };

/** Settings of one stack in turn. Together they have every mode of what is at Cloudflare. */
const MODES: readonly Record<string, string>[] = [
  { notificationEmails: '["anna@example.com"]' },
  {
    ...ROTATED,
    notificationEmails: '["bert@example.com","anna@example.com"]',
    originAddresses: '["203.0.113.11"]',
    anyServiceToken: "true",
  },
  { ...ROTATED, originPulls: "zone", minTlsVersion: "1.3", alwaysUseHttps: "false", certificateValidityDays: "90" },
  { devices: '["annas-phone"]', sessionDuration: "12h", tokenDuration: "720h", emails: '["bert@example.com"]' },
  { originPulls: "shared", loginProvider: "account", devices: "[]", originJwtCheck: "false" },
  {
    publicShareHostname: "shares.home.localhost",
    moreSites: JSON.stringify([
      {
        hostname: "album.home.localhost",
        immichUpstream: "127.0.0.1:2284",
        emails: ["b@example.com"],
        devices: ["tv"],
      },
    ]),
  },
];

/** Our own types of Cloudflare's answers, and the request that each is for. */
const FACTS = "cli/doctor/cloudflare/facts.ts";
const OWN_TYPES: readonly [file: string, name: string, operation: string, isList?: boolean][] = [
  [FACTS, "DnsRecord", "GET /zones/ZONE/dns_records", true],
  [FACTS, "Application", "GET /accounts/ACCOUNT/access/apps", true],
  [FACTS, "ServiceToken", "GET /accounts/ACCOUNT/access/service_tokens", true],
  [FACTS, "IdentityProvider", "GET /accounts/ACCOUNT/access/identity_providers", true],
  [FACTS, "Organization", "GET /accounts/ACCOUNT/access/organizations"],
  [FACTS, "PullCertificate", "GET /zones/ZONE/origin_tls_client_auth", true],
  [FACTS, "OriginCertificate", "GET /certificates", true],
  [FACTS, "IpRanges", "GET /ips"],
  [FACTS, "NotificationPolicy", "GET /accounts/ACCOUNT/alerting/v3/policies", true],
  [FACTS, "Zone", "GET /zones/ZONE"],
  [FACTS, "Ruleset", "GET /zones/ZONE/rulesets/phases/http_request_origin/entrypoint"],
  ["cli/configure/existing.ts", "Record", "GET /zones/ZONE/dns_records", true],
  ["cli/configure/existing.ts", "Issued", "GET /certificates", true],
];

let types: Types;
let fixture: ApiFixture;
let base: string;
const exchanges: Exchange[] = [];
/** The deviations that have been met, by part, request and field. */
const needed = new Set<string>();
let recordedTraces: Exchange[];

class Quiet extends Dialogue {
  override say(): void {
    return;
  }
  override warn(): void {
    return;
  }
}

/** Whether a field is known to differ; notes that the entry is needed. */
function isKnown(request: string, part: Deviation["part"], field: string): boolean {
  const name = field.replace(/^\[\]\./, "");
  const found = DEVIATIONS.filter(
    (one) => one.part === part && matchesGlob(request, one.request) && one.fields?.includes(name) !== false,
  );
  for (const one of found) needed.add(entry(one, one.fields && name));
  return found.length > 0;
}

/** Whether a text fits a pattern in which `*` stands for any text. */
function matchesGlob(text: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[^\w /]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(text);
}

/** One field of a deviation, as a text. */
const entry = ({ part, request }: Deviation, field = "all") => `${part} of ${request}: ${field}`;

/** What of an exchange is not as published, a line for each field. */
function problems({ method, path, query, body, status, result, read }: Exchange): string[] {
  const request = requestText(method, path);
  const operation = operationOf(request);
  if (operation === undefined) return [`${request}: not in the table of what Cloudflare publishes`];
  const published = types.of(operation);
  const told = (part: Deviation["part"], found: readonly { field: string; why: string }[]) =>
    found
      .filter(({ field }) => !isKnown(request, part, field))
      .map(({ field, why }) => `${operation}, ${part}, ${field}: ${why}`);
  const absent = (type: typeof published.query, paths: readonly string[][]) =>
    paths
      .flatMap((one) => unpublished(types.checker, type, one) ?? [])
      .map((field) => ({ field, why: "not published" }));
  const isAnswered = status >= 200 && status < 300;
  return [
    ...told(
      "query",
      absent(
        published.query,
        query.map((name) => name.split(".")),
      ),
    ),
    ...(body === undefined ? [] : told("body", misfits(types.checker, published.body, body))),
    ...(isAnswered ? told("result", misfits(types.checker, published.result, result)) : []),
    ...(isAnswered
      ? told(
          "read",
          absent(
            published.result,
            [...read].map((one) => one.split("\n").slice(1)),
          ),
        )
      : []),
  ];
}

/** What the official provider was recorded to send. */
function readTraces(): Exchange[] {
  const folder = join(import.meta.dirname, "../conformance/traces");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"))
    .map((line): Exchange => {
      const { method, path, body } = JSON.parse(line) as { method: string; path: string; body?: unknown };
      const rest = { query: [], status: 0, result: undefined, read: new Set<string>() };
      return { method, path: path.replace("/client/v4", ""), body, ...rest };
    });
}

const report = (found: readonly Exchange[]): string[] => [...new Set(found.flatMap(problems))].sort();

/** What our own commands and hooks ask of the API while a stack is there. */
async function askAll(settings: Record<string, string>, life: Life): Promise<void> {
  const { values } = checkSettings({ ...GOOD, ...HERE, ...settings });
  if (!values) throw new Error("the settings are not good");
  const api = apiReader(base, fixture.token);
  const { sites, shares } = subjectsOf(values, undefined);
  const hosts = [{ subject: {}, report: Promise.resolve(undefined) }];
  const applications = api.all<Application>(`/accounts/${DEV.account}/access/apps`);
  await cloudflareFindings(api, { settings: values, sites, shares, hosts, applications, now: new Date() });

  const account = openAccount(base, fixture.token);
  // Without an id each finds itself, and so compares all of its fields.
  for (const { type, inputs } of life.made) {
    await SEARCHES[type]?.(account, { inputs }, { zoneId: DEV.zone, hostname }).catch((error: unknown) => {
      expect(String(error)).toContain("is online");
    });
  }
  const records = `zones/${DEV.zone}/dns_records`;
  const address = { name: hostname, type: "A", content: "203.0.113.99", proxied: true, ttl: 1, comment: "switched" };
  await fixture.call("POST", `/${records}`, address);
  await moveAway(account, records, { ...address, type: "CNAME" });
  await moveBack(account, records, { ...address, type: "CNAME" });
  await findOrphanedCertificates(account, { zoneId: DEV.zone, hostname }, "none", undefined);

  const dialogue = new Quiet({ account: DEV.account, zone: DEV.zone, adopt: true }, false);
  const zone = await askZone(dialogue, api, () => undefined);
  await checkToken(dialogue, { token: fixture.token, apiUrl: base, api, patienceMs: 0 }, zone);
  await hasAutomaticMode(api, DEV.zone);
  await rivalTasks({ api, once: api }, DEV.zone, [hostname]);
  await askLogin(dialogue, api, DEV.account, undefined, new Set());
  const tried = { token: fixture.token, apiUrl: base, api, patienceMs: 0 };
  const ends = { tokenDuration: "8760h", originPulls: "zone", devices: ["tv"] };
  const present = { emails: ["anna@example.com"], types: "all", people: [], ...ends } as const;
  await askNotifications(dialogue, tried, zone, present);
  await askAdoption(dialogue, api, { ...zone, hostname }, { records: [], target: { addresses: [] }, known: new Set() });
}

/** What the origin rules of two names go through. Their script runs here, where its requests are seen. */
async function leadElsewhere(): Promise<void> {
  const { token } = await fixture.admin.createToken({ name: "rules", permissions: ["Zone Read", "Origin Write"] });
  const steps = [
    [hostname, 8443, "put"],
    ["album.home.localhost", 8443, "put"],
    [hostname, 9443, "put"],
    [hostname, 9443, "remove"],
    ["album.home.localhost", 8443, "remove"],
  ] as const;
  const { argv } = process;
  for (const [revision, [name, port, action]] of steps.entries()) {
    const script = ruleScript({ zone: `${base}/zones/${DEV.zone}`, token, hostname: name, port, revision });
    process.argv = ["node", "-", action];
    await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(script)}`);
  }
  process.argv = argv;
}

beforeAll(async () => {
  recordedTraces = readTraces();
  types = new Types([...new Set(OWN_TYPES.map(([file]) => file))]);
  const programs: (readonly Registered[])[] = [];
  vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ success: true, result: {} })));
  for (const mode of MODES) {
    await run({ ...HERE, ...mode });
    programs.push(registered);
  }
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  fixture = await startApiFixture();
  const permissions = [...PROGRAM_PERMISSIONS, "Notifications Write"];
  fixture.token = (await fixture.admin.createToken({ name: "all", permissions })).token;
  // Nothing waits here.
  await fixture.admin.alter({ options: { origin_pull_activation_ms: 0 } });
  base = fixture.url;
  const recorded = recordExchanges(base);
  const client = new Client({ baseUrl: base, headers: { Authorization: `Bearer ${fixture.token}` } });
  const life = new Life(client);
  const seen = new Set<string>();
  for (const [index, program] of programs.entries()) {
    await getIpRanges.invoke(client, {}, { signal: AbortSignal.timeout(10_000), log: () => undefined });
    life.find("cloudflare:index/dnsRecord:DnsRecord", "comment", "found");
    await life.up(program);
    for (const { type } of life.made) seen.add(type);
    const before = recorded.length;
    await life.up(program);
    expect(recorded.slice(before), "a second up").toEqual([]);
    await life.refresh();
    await askAll(MODES[index]!, life);
  }
  await life.destroy();
  await leadElsewhere();
  exchanges.push(...recorded);
  expect([...seen].sort()).toEqual(Object.keys(resources).sort());
});
afterAll(async () => {
  vi.restoreAllMocks();
  await fixture?.close();
});

describe("what Cloudflare publishes", () => {
  test("is sent by the SDK's methods as the table says", async () => {
    const operations = Object.keys(OPERATIONS);
    expect(await Promise.all(operations.map(sentBySdk))).toEqual(operations);
  });

  test("has every field that a stack's life and our own commands send, are answered and read", () => {
    expect(report(exchanges)).toEqual([]);
  });

  test("has every field that the official provider was recorded to send", () => {
    expect(recordedTraces.length).toBeGreaterThan(40);
    expect(report(recordedTraces)).toEqual([]);
  });

  test.each(OWN_TYPES)("%s: %s has only fields of %s", (file, name, operation, isList) => {
    const { result } = types.of(operation);
    const one = isList === true ? types.checker.getIndexTypeOfType(result, 1) : result;
    const found = unread(types.checker, types.own(file, name), one ?? result);
    expect(found.filter(({ field }) => !isKnown(operation, "read", field))).toEqual([]);
  });

  test("each request in the table is sent", () => {
    const sent = new Set(exchanges.map(({ method, path }) => operationOf(requestText(method, path))));
    expect(Object.keys(OPERATIONS).filter((operation) => !sent.has(operation))).toEqual([]);
  });

  test("each known deviation is needed", () => {
    const listed = DEVIATIONS.flatMap((one) => (one.fields ?? [undefined]).map((field) => entry(one, field)));
    expect(listed.filter((one) => !needed.has(one))).toEqual([]);
  });
});
