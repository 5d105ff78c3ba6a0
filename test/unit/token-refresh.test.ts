// When an `up` refreshes a device's token, asked of the sandbox's API.

import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { openAccount } from "../../components/cloudflare-account.ts";
import { isTokenDue } from "../../components/token-end.ts";
import { keepAlive, type StoredToken } from "../../components/token-refresh.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { type ApiFixture, startApiFixture } from "../../dev/sandbox/test/api-fixture.ts";

const DAY = 24 * 3600 * 1000;
const TOKENS = `/accounts/${DEV.account}/access/service_tokens`;
const NAME = "photos.home.localhost phone";

let fixture: ApiFixture;
beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture.close());

const said: string[] = [];
beforeEach(() => {
  said.length = 0;
  for (const severity of ["info", "warn"] as const) {
    vi.spyOn(pulumi.log, severity).mockImplementation((text) => {
      said.push(`${severity}: ${text}`);
      return Promise.resolve();
    });
  }
});

const inDays = (days: number) => new Date(Date.now() + days * DAY).toISOString();
const daysUntil = (end: string) => Math.round((Date.parse(end) - Date.now()) / DAY);

/** A token that ends in so many days, as the state has it. */
async function token(days: number, duration = "8760h"): Promise<StoredToken> {
  const { id, client_id: clientId } = (await fixture.call("POST", TOKENS, { name: NAME, duration })).result;
  const end = inDays(days);
  const { service_tokens } = await fixture.admin.state();
  await fixture.admin.alter({
    service_tokens: service_tokens.map((one) => (one.id === id ? { ...one, expires_at: end } : one)),
  });
  return { device: "phone", name: NAME, id, clientId, expiresAt: end };
}

/** What the API has, and with which secret. */
async function atCloudflare({ id }: StoredToken) {
  const found = (await fixture.admin.state()).service_tokens.find((one) => one.id === id);
  return { end: daysUntil(found?.expires_at ?? ""), secret: found?.secret_hash };
}

let opened = 0;
const keep = (stored: StoredToken, change: object = {}, preview = false, apiToken = fixture.token) =>
  keepAlive(
    stored,
    {
      accountId: DEV.account,
      duration: "8760h",
      enabled: true,
      open: () => {
        opened += 1;
        return Promise.resolve(openAccount(fixture.url, apiToken, 1));
      },
      ...change,
    },
    { preview },
  );

describe("a service token", () => {
  it.each([
    [31, "8760h", false],
    [29, "8760h", true],
    [-1, "8760h", true],
    // In the second half of a short life.
    [4, "168h", false],
    [3, "168h", true],
    [0.6, "24h", false],
    [0.4, "24h", true],
    // Refreshed before, so it has had a year.
    [31, "168h", false],
    [20, "168h", true],
    [29, "87600h", true],
  ])("with %d days left of %s is due: %s", (days, duration, due) => {
    expect(isTokenDue(inDays(days), new Date(), duration)).toBe(due);
  });

  it("whose end nobody knows is due", () => {
    expect(isTokenDue("", new Date(), "8760h")).toBe(true);
  });
});

it("up refreshes a token in its last month under the same secret, and the next up has nothing to do", async () => {
  const stored = await token(20);
  const { secret } = await atCloudflare(stored);
  expect(daysUntil(await keep(stored))).toBe(365);
  expect(await atCloudflare(stored)).toEqual({ end: 365, secret });
  expect(said).toEqual([expect.stringMatching(/^info: The token of phone has been refreshed and now ends on 20/)]);
  said.length = 0;
  // The state still has the former end.
  expect(daysUntil(await keep(stored))).toBe(365);
  expect(said).toEqual([]);
});

it("a token that has ended works again after an up", async () => {
  expect(daysUntil(await keep(await token(-3)))).toBe(365);
});

it("a preview says what up will do and refreshes nothing", async () => {
  const stored = await token(20);
  expect(await keep(stored, {}, true)).toBe(stored.expiresAt);
  expect((await atCloudflare(stored)).end).toBe(20);
  expect(said).toEqual([
    expect.stringMatching(/^info: The token of phone ends on 20[\d-]+: `pulumi up` refreshes it by a year\.$/),
  ]);
});

it("a token that is not due costs no request, nor does one without an end or where the setting says no", async () => {
  opened = 0;
  const [early, due] = [await token(40), await token(20)];
  expect(await keep(early)).toBe(early.expiresAt);
  expect(await keep(due, { enabled: false })).toBe(due.expiresAt);
  expect(await keep({ ...due, expiresAt: undefined }, { duration: "forever" })).toBe("never");
  expect(opened).toBe(0);
});

it("an end that the last answer did not have is looked up", async () => {
  const stored = await token(200);
  expect(daysUntil(await keep({ ...stored, expiresAt: undefined }))).toBe(200);
  expect(said).toEqual([]);
});

it("up leaves alone what has been deleted, disabled or is another's, and says so", async () => {
  const [deleted, disabled, other] = [await token(20), await token(20), await token(20)];
  await fixture.call("DELETE", `${TOKENS}/${deleted.id}`);
  const { service_tokens } = await fixture.admin.state();
  await fixture.admin.alter({
    service_tokens: service_tokens.map((one) => (one.id === disabled.id ? { ...one, enabled: false } : one)),
  });
  expect(await keep(deleted)).toBe(deleted.expiresAt);
  expect(await keep(disabled)).toBe(disabled.expiresAt);
  expect(await keep({ ...other, name: "photos.home.localhost other" })).toBe(other.expiresAt);
  expect(await keep({ ...other, clientId: "0.access" })).toBe(other.expiresAt);
  for (const one of [disabled, other]) expect((await atCloudflare(one)).end).toBe(20);
  expect(said).toEqual([
    expect.stringContaining("has been deleted at Cloudflare"),
    expect.stringContaining("has been disabled at Cloudflare"),
    expect.stringContaining("is another one at Cloudflare"),
    expect.stringContaining("is another one at Cloudflare"),
  ]);
});

it("a refresh that Cloudflare refuses fails no up, and is told without the API token", async () => {
  const stored = await token(20);
  const { token: weak } = await fixture.admin.createToken({
    name: "weak",
    permissions: ["Access: Service Tokens Read"],
  });
  expect(await keep(stored, {}, false, weak)).toBe(stored.expiresAt);
  expect(said).toEqual([
    expect.stringMatching(/^warn: The token of phone ends on 20[\d-]+ and could not be refreshed: POST .*: 403/),
  ]);
  expect(said.join()).not.toContain(weak);
});
