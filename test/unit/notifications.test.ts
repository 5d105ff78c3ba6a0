// Cloudflare's emails before something ends: which ones a stack has, and what an error of theirs is told to mean.

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { notificationAdvice, notificationProblem } from "../../components/notifications.ts";
import { type Account, openAccount } from "../../components/cloudflare-account.ts";
import { SEARCHES } from "../../components/orphan-cleanup/orphans.ts";
import { PROGRAM_PERMISSIONS } from "../../dev/sandbox/api/tokens.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { type ApiFixture, startApiFixture } from "../../dev/sandbox/test/api-fixture.ts";
import type { Notification } from "../../settings/notifications.ts";
import { checkSettings } from "../../settings/check.ts";
import { GOOD } from "./support/configuration.ts";
import { find, type Registered } from "./support/mocks.ts";
import { awaited, ofType, registered, run } from "./support/program.ts";

const EMAILS = { notificationEmails: '["anna@example.com","bert@example.com"]' };
const types = () => ofType("NotificationPolicy").map(({ inputs }) => inputs["alertType"]);
const TOKENS = "expiring_service_token_alert";
const HOSTNAME = "hostname_aop_custom_certificate_expiration_type";
const ZONE = "zone_aop_custom_certificate_expiration_type";

const about = (alertType: Notification["alertType"]): Notification =>
  alertType === TOKENS
    ? { kind: "service-tokens", alertType, what: "service tokens" }
    : { kind: "origin-pulls", alertType, what: "origin-pull certificate" };

describe("the program", () => {
  // Of what the account may have the program is told nothing here, and then it goes on.
  beforeAll(() => {
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ success: true, result: {} })));
  });
  afterAll(() => vi.unstubAllGlobals());

  it.each<[string, Record<string, string>, string[]]>([
    ["nobody is to be told", {}, []],
    ["somebody is to be told of all", EMAILS, [TOKENS, HOSTNAME]],
    ["the origin pulls are the zone's", { ...EMAILS, originPulls: "zone" }, [TOKENS, ZONE]],
    ["the origin pulls are shared", { ...EMAILS, originPulls: "shared" }, [TOKENS]],
    ["tokens last for ever", { ...EMAILS, tokenDuration: "forever" }, [HOSTNAME]],
    ["there are no devices", { ...EMAILS, devices: "[]" }, [HOSTNAME]],
    ["only tokens are asked for", { ...EMAILS, notificationTypes: "service-tokens" }, [TOKENS]],
    ["only the certificate is asked for", { ...EMAILS, notificationTypes: "origin-pulls" }, [HOSTNAME]],
    [
      "only a further site has devices",
      {
        ...EMAILS,
        devices: "[]",
        moreSites: JSON.stringify([
          {
            hostname: "album.example.com",
            immichUpstream: "127.0.0.1:2284",
            emails: ["a@example.com"],
            devices: ["tv"],
          },
        ]),
      },
      [TOKENS, HOSTNAME],
    ],
  ])("has these notifications if %s", async (_, changes, wanted) => {
    await run(changes);
    expect(types()).toEqual(wanted);
  });

  it("makes them last, so that one that is refused keeps no site from the internet", async () => {
    await run({
      ...EMAILS,
      publicShareHostname: "shares.example.com",
      moreHosts: JSON.stringify([
        { sshAddress: "h2", sshHostKey: GOOD["sshHostKey"], originAddresses: ["203.0.113.20"] },
      ]),
    });
    const own = (one: Registered) => one.name.startsWith("notifications") || one.type.startsWith("pulumi:");
    const others = registered.filter((one) => !own(one)).map(({ name }) => name);
    const before = awaited(`notifications-${TOKENS}`);
    // A component's children are waited for with it.
    const missing = others.filter((name) => !before.has(name) && !isBelow(name, before));
    expect(missing).toEqual([]);
    expect(
      registered.filter((one) => !own(one) && one.dependencies.some((urn) => urn.includes("otification"))),
    ).toEqual([]);
  });

  it("names the site and the addresses", async () => {
    await run(EMAILS);
    expect(find(registered, `notifications-${TOKENS}`).inputs).toEqual({
      accountId: GOOD["accountId"],
      name: "Immich photos.example.com: service tokens",
      description: "`pulumi up` in the folder of immich-access renews it.",
      alertType: TOKENS,
      enabled: true,
      mechanisms: { emails: [{ id: "anna@example.com" }, { id: "bert@example.com" }] },
    });
  });
});

/** Whether a resource has a parent, or that one's, among those names. */
function isBelow(name: string, names: ReadonlySet<string>): boolean {
  const parent = registered
    .find((one) => one.name === name)
    ?.parent.split("::")
    .at(-1);
  return parent !== undefined && parent !== "" && (names.has(parent) || isBelow(parent, names));
}

describe("the settings", () => {
  const told = (changes: Record<string, string>) => checkSettings({ ...GOOD, ...changes }).problems ?? [];

  it.each<[Record<string, string>, RegExp]>([
    [{ notificationEmails: '["anna"]' }, /notificationEmails\.0 has an entry that is not an email address/],
    [{ ...EMAILS, notificationTypes: "tokens" }, /notificationTypes must be one of all, service-tokens, origin-pulls/],
    [{ ...EMAILS, originPulls: "shared", devices: "[]" }, /there is nothing to tell/],
    [{ ...EMAILS, originPulls: "shared", tokenDuration: "forever" }, /there is nothing to tell/],
    [
      { ...EMAILS, notificationTypes: "service-tokens", tokenDuration: "forever" },
      /notificationTypes is service-tokens, of which nothing ends in this stack: pulumi config rm notificationTypes/,
    ],
  ])("%j are refused, once", (changes, message) => {
    expect(told(changes)).toEqual([expect.stringMatching(message)]);
  });

  it("about what ends are good", () => {
    expect(told({ ...EMAILS, originPulls: "shared" })).toEqual([]);
    expect(told({ ...EMAILS, notificationTypes: "origin-pulls", devices: "[]" })).toEqual([]);
  });
});

describe("an error of Cloudflare's", () => {
  const error = (status: string, body: string) =>
    `failed to make http request: POST "https://api.cloudflare.com/client/v4/accounts/1/alerting/v3/policies": ${status} ${body}`;

  it.each<[string, string, RegExp | undefined]>([
    [
      "400 Bad Request",
      '{"errors":[{"code":17200,"message":"not entitled"}]}',
      /^Cloudflare offers this account no notification about service tokens: keep those about origin-pull certificate \(`pulumi config set notificationTypes origin-pulls`\), or turn them off \(`pulumi config rm notificationEmails`\)$/,
    ],
    ["403 Forbidden", '{"errors":[{"code":10000,"message":"Authentication error"}]}', /Account, Notifications, Edit/],
    ["403 Forbidden", '{"errors":[{"code":9109,"message":"Invalid access token"}]}', undefined],
    ["403 Forbidden", '{"errors":[{"code":10001,"message":"Unable to authenticate request"}]}', undefined],
    ["400 Bad Request", '{"errors":[{"code":17102,"message":"no mechanism"}]}', undefined],
    ["500 Internal Server Error", '{"errors":[{"code":172001,"message":"x"}]}', undefined],
  ])("%s %s", (status, body, advice) => {
    const said = notificationAdvice(error(status, body), [about(TOKENS)], [about(HOSTNAME)]);
    if (advice === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(advice);
  });
});

describe("at Cloudflare", () => {
  let fixture: ApiFixture;
  let token: string;
  beforeAll(async () => {
    fixture = await startApiFixture();
    const permissions = [...PROGRAM_PERMISSIONS, "Notifications Write"];
    ({ token } = await fixture.admin.createToken({ name: "notifications", permissions }));
  });
  afterAll(() => fixture.close());

  const problem = (api: Account, ...alertTypes: Notification["alertType"][]) =>
    notificationProblem(api, DEV.account, alertTypes.map(about));

  it("a type that the account is not offered is found before anything changes", async () => {
    const api = openAccount(fixture.url, token);
    expect(await problem(api, TOKENS, ZONE)).toBeUndefined();
    await fixture.admin.alter({ options: { unavailable_alerts: [TOKENS] } });
    expect(await problem(api, ZONE)).toBeUndefined();
    expect(await problem(api, ZONE, TOKENS)).toMatch(
      /^Cloudflare offers this account no notification about service tokens: keep those .*notificationTypes origin-pulls/,
    );
    expect(await problem(api, TOKENS)).toBe(
      "Cloudflare offers this account no notification about service tokens: turn them off (`pulumi config rm notificationEmails`)",
    );
    const other: Account = { ...api, find: <T>() => Promise.resolve({ alerts: [] } as T) };
    expect(await problem(other, TOKENS)).toBeUndefined();
    await fixture.admin.alter({ options: { unavailable_alerts: [] } });
  });

  it("so is a missing permission, and anything else is an error", async () => {
    expect(await problem(openAccount(fixture.url, fixture.token), ZONE)).toMatch(/Account, Notifications, Edit/);
    await expect(problem(openAccount(fixture.url, "x".repeat(40)), ZONE)).rejects.toThrow(/401, Invalid API Token/);
  });

  it("orphans are notifications of the same name and type, but for the stack's own", async () => {
    const folder = `accounts/${DEV.account}/alerting/v3/policies`;
    const make = async (name: string, alert_type: string) => {
      const mechanisms = { email: [{ id: "anna@example.com" }] };
      const body = { name, alert_type, enabled: true, mechanisms };
      return (await fixture.call("POST", `/${folder}`, body, token)).result.id;
    };
    const [own, orphan] = [await make("ours", TOKENS), await make("ours", TOKENS)];
    await make("ours", ZONE);
    await make("theirs", TOKENS);
    const search = SEARCHES["cloudflare:index/notificationPolicy:NotificationPolicy"];
    const wanted = { inputs: { accountId: DEV.account, name: "ours", alertType: TOKENS }, id: own };
    const found = await search?.(openAccount(fixture.url, token), wanted, { zoneId: DEV.zone, hostname: "x" });
    expect(found).toEqual([{ path: `${folder}/${orphan}`, what: 'notification "ours"' }]);
  });
});
