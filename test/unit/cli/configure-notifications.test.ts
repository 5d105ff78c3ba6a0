// The question about Cloudflare's emails before something ends, against the API double.
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Dialogue } from "../../../cli/configure/dialogue.ts";
import { askNotifications, type PresentNotifications } from "../../../cli/configure/notifications.ts";
import { apiReader } from "../../../cli/doctor/cloudflare/api.ts";
import { PROGRAM_PERMISSIONS } from "../../../dev/sandbox/api/tokens.ts";
import { DEV } from "../../../dev/sandbox/api/world.ts";
import { type ApiFixture, startApiFixture } from "../../../dev/sandbox/test/api-fixture.ts";

let fixture: ApiFixture;
let able: string;
beforeAll(async () => {
  fixture = await startApiFixture();
  const permissions = [...PROGRAM_PERMISSIONS, "Notifications Write"];
  able = (await fixture.admin.createToken({ name: "notifications", permissions })).token;
});
afterAll(() => fixture.close());

/** Answers on a terminal, in turn; `undefined` stands for the proposal. */
class Person extends Dialogue {
  readonly heard: string[] = [];
  readonly #answers: (boolean | string[] | undefined)[];
  constructor(answers: (boolean | string[] | undefined)[], flags = {}, interactive = true) {
    super(flags, interactive);
    this.#answers = answers;
  }
  override confirm(message: string, initial: boolean): Promise<boolean> {
    this.heard.push(message);
    return Promise.resolve((this.#answers.shift() as boolean | undefined) ?? initial);
  }
  override list(question: { message: string; initial: readonly string[] }): Promise<string[]> {
    this.heard.push(`${question.message}: ${question.initial.join()}`);
    return Promise.resolve((this.#answers.shift() as string[] | undefined) ?? [...question.initial]);
  }
  override warn(text: string): void {
    this.heard.push(text);
  }
  override during<T>(_: string, work: Promise<T>): Promise<T> {
    return work;
  }
}

const PRESENT: PresentNotifications = {
  emails: [],
  types: "all",
  people: ["anna@example.com", "bert@example.com"],
  tokenDuration: "8760h",
  originPulls: "hostname",
  devices: ["phone"],
};
const ask = (dialogue: Dialogue, present: Partial<PresentNotifications> = {}, token = able) => {
  const tried = { token, apiUrl: fixture.url, api: apiReader(fixture.url, token), patienceMs: 0 };
  const zone = { zoneId: DEV.zone, accountId: DEV.account, name: DEV.zoneName };
  return askNotifications(dialogue, tried, zone, { ...PRESENT, ...present });
};
const flag = (...emails: string[]) => new Person([], { notify: emails }, false);

beforeEach(() => fixture.admin.alter({ options: { unavailable_alerts: [] } }));

it("is left out by default, and asks Cloudflare nothing then", async () => {
  const before = await fixture.admin.requests();
  const person = new Person([undefined]);
  expect(await ask(person, {}, fixture.token)).toEqual({});
  expect(person.heard).toEqual([
    expect.stringMatching(/service tokens and origin-pull certificate.*Notifications, Edit/),
  ]);
  expect(await ask(new Person([], {}, false), {}, fixture.token)).toEqual({});
  expect(await fixture.admin.requests()).toEqual(before);
});

it("proposes the first person, and keeps what is set", async () => {
  expect(await ask(new Person([true, undefined]))).toEqual({ notificationEmails: '["anna@example.com"]' });
  expect(await ask(new Person([undefined]), { emails: ["x@example.com"] })).toEqual({
    notificationEmails: '["x@example.com"]',
  });
  expect(await ask(new Person([], {}, false), { emails: ["x@example.com"] })).toEqual({
    notificationEmails: '["x@example.com"]',
  });
});

it("takes a flag, and turns the emails off by an empty answer", async () => {
  expect(await ask(flag("a@example.com", "b@example.com"))).toEqual({
    notificationEmails: '["a@example.com","b@example.com"]',
  });
  await expect(ask(flag("anna"))).rejects.toThrow("--notify anna: has an entry that is not an email address");
  expect(await ask(new Person([[]]), { emails: ["x@example.com"], types: "origin-pulls" })).toEqual({
    notificationEmails: "[]",
    notificationTypes: "all",
  });
});

it("is not asked where nothing ends", async () => {
  const person = new Person([true, undefined]);
  expect(await ask(person, { originPulls: "shared", tokenDuration: "forever" })).toEqual({});
  expect(person.heard).toEqual([]);
});

it("needs the permission", async () => {
  await expect(ask(flag("a@example.com"), {}, fixture.token)).rejects.toThrow(
    /^the token lacks: Account, Notifications, Edit, which emails from Cloudflare need\. Cloudflare says: Authentication error \(10000\)/,
  );
});

it("says before anything is set what Cloudflare does not offer the account", async () => {
  const tokens = "expiring_service_token_alert";
  await fixture.admin.alter({ options: { unavailable_alerts: [tokens] } });
  const person = flag("a@example.com");
  expect(await ask(person)).toEqual({ notificationEmails: '["a@example.com"]', notificationTypes: "origin-pulls" });
  expect(person.heard).toEqual([expect.stringContaining("no notification about service tokens")]);
  await expect(ask(flag("a@example.com"), { types: "service-tokens" })).rejects.toThrow(
    "Cloudflare offers this account no notification about service tokens",
  );
  const both = [tokens, "hostname_aop_custom_certificate_expiration_type"];
  await fixture.admin.alter({ options: { unavailable_alerts: both } });
  await expect(ask(flag("a@example.com"))).rejects.toThrow(
    "Cloudflare offers this account no notification about service tokens and origin-pull certificate: leave its emails out",
  );
});
