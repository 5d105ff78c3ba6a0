// What the API double does with DNS records, settings, certificates and the things of Access.

import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEV } from "../api/world.ts";
import { type ApiFixture, refusal, startApiFixture } from "./api-fixture.ts";
import { certificate } from "./edge-fixture.ts";

const ZONE = `/zones/${DEV.zone}`;
const ACCESS = `/accounts/${DEV.account}/access`;
const PULLS = `${ZONE}/origin_tls_client_auth`;
const SITE = "photos.home.localhost";
const RECORD = { name: SITE, type: "A", content: "198.51.100.10", proxied: true, ttl: 1 };
const DAY = 86_400_000;

let fixture: ApiFixture;
beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture.close());

const call: ApiFixture["call"] = (...request) => fixture.call(...request);

/** A certificate request as OpenSSL makes it; the name in it counts for nothing. */
function request(type: "ec" | "rsa"): string {
  const key = type === "ec" ? ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : ["rsa:2048"];
  const command = [
    "req",
    "-new",
    "-newkey",
    ...key,
    "-nodes",
    "-keyout",
    "/dev/null",
    "-subj",
    "/CN=elsewhere.example",
  ];
  return execFileSync("openssl", command, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

/** The request with its last byte, one of the signature, changed. */
function spoiled(pem: string): string {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  der[der.length - 1]! ^= 1;
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
}

describe("DNS records and settings", () => {
  test("a DNS record is refused if it exists already, or cannot be proxied", async () => {
    const host = "twice.home.localhost";
    const made = await call("POST", `${ZONE}/dns_records`, { ...RECORD, name: host });
    expect(made.result).toMatchObject({ name: host, proxied: true, ttl: 1 });
    expect(refusal(await call("POST", `${ZONE}/dns_records`, { ...RECORD, name: host }))).toEqual([400, 81058]);
    const alias = { ...RECORD, name: host, type: "CNAME", content: "a.example" };
    expect(refusal(await call("POST", `${ZONE}/dns_records`, alias))).toEqual([400, 81053]);
    expect(refusal(await call("POST", `${ZONE}/dns_records`, { ...RECORD, ttl: 300 }))).toEqual([400, 9021]);
    expect(refusal(await call("POST", `${ZONE}/dns_records`, { ...RECORD, content: "::1" }))).toEqual([400, 9005]);
    const path = `${ZONE}/dns_records/${made.result.id}`;
    expect((await call("DELETE", path)).status).toBe(200);
    expect(refusal(await call("GET", path))).toEqual([404, 81044]);
  });

  test("a zone setting accepts its own values only", async () => {
    const set = await call("PATCH", `${ZONE}/settings/ssl`, { value: "strict" });
    expect(set.result).toMatchObject({ id: "ssl", value: "strict", editable: true });
    expect((await call("GET", `${ZONE}/settings/ssl`)).result).toEqual(set.result);
    expect(refusal(await call("PATCH", `${ZONE}/settings/ssl`, { value: "stricter" }))).toEqual([400, 1007]);
    expect(refusal(await call("PATCH", `${ZONE}/settings/sslmode`, { value: "strict" }))).toEqual([400, 1003]);
  });
});

describe("Origin CA certificates", () => {
  test("Origin CA certificates are signed for the names asked for, whatever the request says, and revoked once", async () => {
    const body = { csr: request("ec"), hostnames: [SITE, "*.home.localhost"], request_type: "origin-ecc" };
    const { result } = await call("POST", "/certificates", { ...body, requested_validity: 90 });
    const leaf = new X509Certificate(result.certificate);
    const ca = new X509Certificate(fixture.api.world.cas.originCa.certificate);
    expect(leaf.verify(ca.publicKey)).toBe(true);
    expect(leaf.subjectAltName).toBe(`DNS:*.home.localhost, DNS:${SITE}`);
    expect(leaf.subject).not.toContain("elsewhere");
    expect(result.hostnames).toEqual(["*.home.localhost", SITE]);
    const days = (Date.parse(leaf.validTo) - Date.now()) / DAY;
    expect(days).toBeGreaterThan(89.9);
    expect(days).toBeLessThan(90);
    expect(result.expires_on).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC$/);

    // What was asked for is shown by the answer to that only.
    const path = `/certificates/${result.id}`;
    expect(result).toHaveProperty("csr");
    for (const shown of [
      (await call("GET", path)).result,
      (await call("GET", `/certificates?zone_id=${DEV.zone}`)).result,
    ])
      expect(JSON.stringify(shown)).not.toMatch(/csr|requested_validity/);
    expect((await call("DELETE", path)).result).toMatchObject({ revoked_at: expect.any(String) as string });
    expect(refusal(await call("DELETE", path))).toEqual([400, 1014]);
    expect((await call("GET", `/certificates?zone_id=${DEV.zone}`)).result).toEqual([]);
    expect(fixture.api.world.store.state.origin_certificates.at(-1)?.revoked_at).not.toBeNull();
  });

  test.each([
    ["no request at all", { csr: "none" }, 400, 1005],
    ["a signature that is not the key's", { csr: spoiled(request("ec")) }, 400, 1005],
    ["a key of another type", { request_type: "origin-rsa" }, 400, 1006],
    ["a name of another account", { hostnames: ["example.com"] }, 403, 1016],
    ["a validity that is not offered", { requested_validity: 100 }, 400, 1010],
  ])("an Origin CA certificate is refused: %s", async (_name, change, status, code) => {
    const body = { csr: request("ec"), hostnames: [SITE], request_type: "origin-ecc", ...change };
    expect(refusal(await call("POST", "/certificates", body))).toEqual([status, code]);
  });

  test("the Origin CA signs an RSA key as origin-rsa", async () => {
    const body = { csr: request("rsa"), hostnames: [SITE], request_type: "origin-rsa" };
    const { result } = await call("POST", "/certificates", body);
    expect(new X509Certificate(result.certificate).publicKey.asymmetricKeyType).toBe("rsa");
  });
});

describe("origin pulls", () => {
  const upload = (pair: { certificate: string; privateKey: string }, level = "/hostnames/certificates") =>
    call("POST", `${PULLS}${level}`, { certificate: pair.certificate, private_key: pair.privateKey });

  test("an origin-pull certificate is accepted with its own key, and only the leaf is shown", async () => {
    const { sharedPullCa, originCa } = fixture.api.world.cas;
    const leaf = certificate(sharedPullCa, []);
    expect(refusal(await upload(sharedPullCa))).toEqual([400, 1412]);
    expect((await upload(sharedPullCa)).errors[0]?.message).toMatch(/leaf certificate/i);
    expect(refusal(await upload({ ...leaf, privateKey: originCa.privateKey }))).toEqual([400, 1404]);
    expect(refusal(await upload({ ...leaf, privateKey: "none" }))).toEqual([400, 1403]);
    expect(refusal(await upload({ ...leaf, certificate: "none" }))).toEqual([400, 1401]);
    const over = certificate(sharedPullCa, [], { notAfter: new Date(Date.now() - 1000) });
    expect(refusal(await upload(over))).toEqual([400, 1405]);

    const made = await upload(leaf, "");
    expect(made.result.status).toBe("pending_deployment");
    expect(JSON.stringify(made)).not.toContain("PRIVATE KEY");
    await expect.poll(async () => (await call("GET", `${PULLS}/${made.result.id}`)).result.status).toBe("active");
    expect((await call("DELETE", `${PULLS}/${made.result.id}`)).result.status).toBe("pending_deletion");
  });

  test("an origin-pull certificate cannot be deleted while a host name uses it", async () => {
    const { result } = await upload(certificate(fixture.api.world.cas.sharedPullCa, []));
    const id = result.id;
    const status = async () => (await call("GET", `${PULLS}/hostnames/certificates/${id}`)).result.status;
    await expect.poll(status).toBe("active");
    const associate = (enabled: boolean | null, hostname = SITE) =>
      call("PUT", `${PULLS}/hostnames`, { config: [{ hostname, cert_id: id, enabled }] });
    expect(refusal(await associate(true, "photos.example.com"))).toEqual([400, 1414]);
    expect((await associate(true)).result).toMatchObject([{ hostname: SITE, cert_id: id, enabled: true }]);
    expect(refusal(await call("DELETE", `${PULLS}/hostnames/certificates/${id}`))).toEqual([400, 1433]);
    expect((await associate(null)).result).toMatchObject([{ enabled: null }]);
    expect(refusal(await call("GET", `${PULLS}/hostnames/${SITE}`))).toEqual([404, 1413]);
    expect((await call("DELETE", `${PULLS}/hostnames/certificates/${id}`)).status).toBe(200);
  });
});

describe("Access", () => {
  const everyone = { name: "people", decision: "allow", include: [{ everyone: {} }] };

  test("an Access policy cannot be deleted while it is attached", async () => {
    const policy = (await call("POST", `${ACCESS}/policies`, everyone)).result.id;
    const app = { name: "attached", type: "self_hosted", domain: "attached.home.localhost", policies: [policy] };
    const made = await call("POST", `${ACCESS}/apps`, app);
    expect(made.status).toBe(201);
    expect(made.result.policies).toMatchObject([{ id: policy, precedence: 1, decision: "allow" }]);
    expect(refusal(await call("DELETE", `${ACCESS}/policies/${policy}`))).toEqual([409, 12131]);
    expect(refusal(await call("POST", `${ACCESS}/apps`, app))).toEqual([409, 11010]);

    const path = `${ACCESS}/apps/${made.result.id}`;
    const detached = await call("PUT", path, { ...app, policies: [] });
    expect(detached.result).toMatchObject({ aud: made.result.aud, policies: [] });
    expect((await call("DELETE", `${ACCESS}/policies/${policy}`)).status).toBe(202);
    expect((await call("DELETE", path)).status).toBe(202);
    expect(refusal(await call("GET", path))).toEqual([404, 11021]);
  });

  test.each([
    ["an application without an address", "apps", { name: "a", type: "self_hosted" }, 400, 12130],
    [
      "a host outside the account",
      "apps",
      { name: "a", type: "self_hosted", domain: "photos.example.com" },
      400,
      12130,
    ],
    [
      "a policy that does not exist",
      "apps",
      { name: "a", type: "self_hosted", domain: "unused.home.localhost", policies: ["none"] },
      400,
      12133,
    ],
    ["a policy without an include", "policies", { ...everyone, include: [] }, 400, 12130],
    [
      "two selectors in a rule",
      "policies",
      { ...everyone, include: [{ everyone: {}, ip: { ip: "::1" } }] },
      400,
      12130,
    ],
    ["an unknown selector", "policies", { ...everyone, include: [{ emails: {} }] }, 400, 12130],
    [
      "an unknown service token",
      "policies",
      { ...everyone, include: [{ service_token: { token_id: "none" } }] },
      400,
      12130,
    ],
    ["a second login of a kind", "identity_providers", { name: "b", type: "cloudflare", config: {} }, 409, 12132],
    ["a token's duration that is none", "service_tokens", { name: "a", duration: "1 year" }, 400, 12130],
  ])("Access refuses %s", async (_name, path, body, status, code) => {
    expect(refusal(await call("POST", `${ACCESS}/${path}`, body))).toEqual([status, code]);
  });

  test("strict service tokens cannot be switched off", async () => {
    const path = `${ACCESS}/organizations`;
    expect(refusal(await call("PATCH", path, { strict_service_token_auth: false }))).toEqual([400, 12130]);
    expect((await call("GET", path)).result).toMatchObject({ strict_service_token_auth: true });
  });

  test("a service token's secret is shown when it is made or changed, never else", async () => {
    const made = await call("POST", `${ACCESS}/service_tokens`, { name: "phone", duration: "720h" });
    expect(made.result.client_secret).toMatch(/^cfast_[0-9A-Za-z]{48}$/);
    expect(Date.parse(made.result.expires_at) / DAY).toBeCloseTo(Date.now() / DAY + 30, 2);
    const path = `${ACCESS}/service_tokens/${made.result.id}`;
    const shown = await call("GET", path);
    expect(shown.result).not.toHaveProperty("client_secret");
    expect(JSON.stringify(shown)).not.toContain("hash");

    const until = new Date(Date.now() + DAY).toISOString();
    const version = { client_secret_version: 2, previous_client_secret_expires_at: until };
    const rotated = await call("PUT", path, { name: "phone", duration: "720h", ...version });
    expect(rotated.result).toMatchObject({ client_id: made.result.client_id, client_secret_version: 2 });
    expect(rotated.result.client_secret).not.toBe(made.result.client_secret);
    expect((await call("PUT", path, { name: "phone 2", ...version })).result).not.toHaveProperty("client_secret");
    expect((await call("DELETE", path)).status).toBe(200);
    expect(refusal(await call("GET", path))).toEqual([404, 12134]);
  });
});
