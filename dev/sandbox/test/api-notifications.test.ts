// What the API double does with notification policies.

import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { PROGRAM_PERMISSIONS } from "../api/tokens.ts";
import { DEV } from "../api/world.ts";
import { type ApiFixture, type Reply, refusal, startApiFixture } from "./api-fixture.ts";

const ALERTING = `/accounts/${DEV.account}/alerting/v3`;
const POLICY = {
  name: "tokens",
  alert_type: "expiring_service_token_alert",
  enabled: true,
  mechanisms: { email: [{ id: "anna@example.com" }] },
};

let fixture: ApiFixture;
let token: string;
beforeAll(async () => {
  fixture = await startApiFixture();
  const permissions = [...PROGRAM_PERMISSIONS, "Notifications Write"];
  ({ token } = await fixture.admin.createToken({ name: "notifications", permissions }));
});
afterAll(() => fixture.close());
beforeEach(() => fixture.admin.alter({ options: { unavailable_alerts: [] }, notification_policies: [] }));

const call = (method: string, path: string, body?: unknown): Promise<Reply> =>
  fixture.call(method, ALERTING + path, body, token);

test("a policy is made, read, listed, changed and deleted; a write answers with the id alone", async () => {
  const { result } = await call("POST", "/policies", { ...POLICY, description: "why" });
  expect(Object.keys(result)).toEqual(["id"]);
  const path = `/policies/${result.id}`;
  expect((await call("GET", path)).result).toMatchObject({ ...POLICY, id: result.id, description: "why" });
  const mechanisms = { email: [{ id: "bert@example.com" }] };
  expect((await call("PUT", path, { ...POLICY, mechanisms, description: null })).result).toEqual({ id: result.id });
  expect((await call("GET", "/policies")).result).toMatchObject([{ ...POLICY, mechanisms, description: "" }]);
  expect((await call("DELETE", path)).success).toBe(true);
  expect(refusal(await call("GET", path))[0]).toBe(404);
  expect((await call("GET", "/policies")).result).toEqual([]);
});

test.each<[string, object, number]>([
  ["without a mechanism", { ...POLICY, mechanisms: { email: [] } }, 17102],
  ["with a filter", { ...POLICY, filters: { zones: [DEV.zone] } }, 17103],
  ["of a type that is for others", { ...POLICY, alert_type: "dos_attack_l4" }, 17200],
  ["without a name", { ...POLICY, name: undefined }, 17000],
  ["with an unknown field", { ...POLICY, conditions: {} }, 17000],
  ["to no address", { ...POLICY, mechanisms: { email: [{ id: "anna" }] } }, 17000],
])("a policy %s is refused", async (_, body, code) => {
  expect(refusal(await call("POST", "/policies", body))).toEqual([400, code]);
  expect((await call("GET", "/policies")).result).toEqual([]);
});

test("the account's types are listed, and others refused", async () => {
  const types = async () => {
    const { result } = await call("GET", "/available_alerts");
    return Object.values(result as unknown as Record<string, { type: string }[]>).flat();
  };
  expect(await types()).toContainEqual(expect.objectContaining({ type: POLICY.alert_type }));
  await fixture.admin.alter({ options: { unavailable_alerts: [POLICY.alert_type] } });
  expect((await types()).map(({ type }) => type)).not.toContain(POLICY.alert_type);
  expect(refusal(await call("POST", "/policies", POLICY))).toEqual([400, 17200]);
});

test("the program's usual permissions are not enough", async () => {
  for (const [method, path, body] of [
    ["GET", "/available_alerts"],
    ["GET", "/policies"],
    ["POST", "/policies", POLICY],
    ["DELETE", `/policies/${"0".repeat(32)}`],
  ] as const) {
    expect(refusal(await fixture.call(method, ALERTING + path, body)), `${method} ${path}`).toEqual([403, 10000]);
  }
});
