// What Cloudflare does only after a while, refuses meanwhile, or remembers.

import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEV } from "../api/world.ts";
import type { Options } from "../api/state.ts";
import { type ApiFixture, refusal, startApiFixture } from "./api-fixture.ts";
import { certificate } from "./edge-fixture.ts";

const PULLS = `/zones/${DEV.zone}/origin_tls_client_auth`;
const CERTIFICATES = `${PULLS}/hostnames/certificates`;
const ACCESS = `/accounts/${DEV.account}/access`;
const SITE = "photos.home.localhost";

let fixture: ApiFixture;
const call: ApiFixture["call"] = (...request) => fixture.call(...request);

beforeEach(async () => {
  fixture = await startApiFixture();
});
afterEach(() => fixture.close());

const set = (options: Partial<Options>) => fixture.admin.alter({ options });

const leaf = () => certificate(fixture.api.world.cas.sharedPullCa, []);
const upload = (pair = leaf(), path = CERTIFICATES) =>
  call("POST", path, { certificate: pair.certificate, private_key: pair.privateKey });
const associate = (certId: string, enabled: boolean | null = true) =>
  call("PUT", `${PULLS}/hostnames`, { config: [{ hostname: SITE, cert_id: certId, enabled }] });
const statusAt = async (path: string) => (await call("GET", path)).result?.status;

test("an uploaded certificate cannot be deleted on its way to the edge", async () => {
  await set({ origin_pull_activation_ms: 300 });
  const { id } = (await upload()).result;
  expect(refusal(await call("DELETE", `${CERTIFICATES}/${id}`))).toEqual([400, 1434]);
  await expect.poll(() => statusAt(`${CERTIFICATES}/${id}`)).toBe("active");
  expect((await call("DELETE", `${CERTIFICATES}/${id}`)).status).toBe(200);
});

test("a host name gets another certificate after a while, in which the former one cannot be deleted", async () => {
  await set({ origin_pull_activation_ms: 0, origin_pull_association_ms: 400 });
  const [former, next] = [(await upload()).result.id, (await upload()).result.id];
  expect((await associate(former)).result).toMatchObject([{ status: "pending_deployment", cert_status: "active" }]);
  await expect.poll(() => statusAt(`${PULLS}/hostnames/${SITE}`)).toBe("active");

  await associate(next);
  expect(await statusAt(`${PULLS}/hostnames/${SITE}`)).toBe("pending_deployment");
  expect(refusal(await call("DELETE", `${CERTIFICATES}/${former}`))).toEqual([400, 1433]);
  await expect.poll(() => statusAt(`${PULLS}/hostnames/${SITE}`)).toBe("active");
  expect((await call("DELETE", `${CERTIFICATES}/${former}`)).status).toBe(200);

  await associate(next, null);
  expect(await statusAt(`${PULLS}/hostnames/${SITE}`)).toBe("pending_deletion");
  expect(refusal(await call("DELETE", `${CERTIFICATES}/${next}`))).toEqual([400, 1433]);
  await expect.poll(async () => (await call("GET", `${PULLS}/hostnames/${SITE}`)).status).toBe(404);
  expect((await call("DELETE", `${CERTIFICATES}/${next}`)).status).toBe(200);
});

test.each(["", "/hostnames/certificates"])(
  "a certificate is taken once at origin_tls_client_auth%s; deleted it stays listed, and comes back under its id",
  async (level) => {
    await set({ origin_pull_activation_ms: 0, origin_pull_deletion_ms: 300 });
    const [pair, path] = [leaf(), `${PULLS}${level}`];
    const { id } = (await upload(pair, path)).result;
    expect(refusal(await upload(pair, path))).toEqual([400, 1406]);
    await call("DELETE", `${path}/${id}`);
    expect((await call("GET", path)).result).toMatchObject([{ id, status: "pending_deletion" }]);
    expect(refusal(await upload(pair, path))).toEqual([400, 1406]);
    expect(refusal(await call("DELETE", `${path}/${id}`))).toEqual([404, 1411]);
    await expect.poll(() => statusAt(`${path}/${id}`)).toBe("deleted");
    expect((await upload(pair, path)).result).toMatchObject({ id, status: "active" });
    expect((await call("GET", path)).result).toMatchObject([{ id, status: "active" }]);
  },
);

test("a zone has ten certificates for host names", async () => {
  for (let count = 0; count < 10; count += 1) expect((await upload()).status).toBe(200);
  expect((await upload()).status).toBe(400);
});

test("an application cannot name a policy that was just made", async () => {
  await set({ access_policy_ms: 1500 });
  const policy = { name: "people", decision: "allow", include: [{ everyone: {} }] };
  const { id } = (await call("POST", `${ACCESS}/policies`, policy)).result;
  const app = { name: "a", type: "self_hosted", domain: SITE, policies: [id] };
  expect(refusal(await call("POST", `${ACCESS}/apps`, app))).toEqual([400, 12133]);
  await sleep(1500);
  await expect.poll(async () => (await call("POST", `${ACCESS}/apps`, app)).status, { timeout: 5000 }).toBe(201);
});

test("service_auth_401_redirect needs a Service Auth policy", async () => {
  const app = { name: "a", type: "self_hosted", domain: SITE, service_auth_401_redirect: true };
  expect(refusal(await call("POST", `${ACCESS}/apps`, app))).toEqual([400, 12130]);
  const policy = { name: "d", decision: "non_identity", include: [{ any_valid_service_token: {} }] };
  const { id } = (await call("POST", `${ACCESS}/policies`, policy)).result;
  const made = await call("POST", `${ACCESS}/apps`, { ...app, policies: [id] });
  expect(made.status).toBe(201);
  expect(refusal(await call("PUT", `${ACCESS}/apps/${made.result.id}`, { ...app, policies: [] }))).toEqual([
    400, 12130,
  ]);
});
