// What counts as an orphan: left by a creation whose response was lost, asked of the sandbox's API.

import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as pulumi from "@pulumi/pulumi";
import { openAccount, type Account } from "../../components/cloudflare-account.ts";
import { requireNewSecret } from "../../components/orphan-cleanup/secret.ts";
import { findOrphanedCertificates, SEARCHES } from "../../components/orphan-cleanup/orphans.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { type ApiFixture, startApiFixture } from "../../dev/sandbox/test/api-fixture.ts";
import { certificate } from "../../dev/sandbox/test/edge-fixture.ts";

const ACCESS = `/accounts/${DEV.account}/access`;
const ZONE = `/zones/${DEV.zone}`;
const SITE = { zoneId: DEV.zone, hostname: "photos.home.localhost" };
const RECORD = { name: SITE.hostname, type: "A", content: "198.51.100.10", proxied: true, ttl: 1 };

let fixture: ApiFixture;
let api: Account;
beforeAll(async () => {
  fixture = await startApiFixture();
  api = openAccount(fixture.url, fixture.token);
});
afterAll(() => fixture.close());

const made = async (path: string, body: object) => (await fixture.call("POST", path, body)).result.id;

/** Ids of what is found for a resource of a type with these inputs. */
async function found(type: string, inputs: object, id?: string): Promise<(string | undefined)[]> {
  const find = SEARCHES[type];
  if (!find) throw new Error(`no search for ${type}`);
  const wanted = { inputs: { accountId: DEV.account, zoneId: DEV.zone, ...inputs }, ...(id && { id }) };
  return (await find(api, wanted, SITE)).map(({ path }) => path.split("/").at(-1));
}

const accessType = (name: string) => `cloudflare:index/zeroTrustAccess${name}:ZeroTrustAccess${name}`;
const allow = { name: "people", decision: "allow", include: [{ email: { email: "anna@example.com" } }] };

describe("orphans", () => {
  test("a service token of the name that no policy admits is an orphan, the stack's own never is", async () => {
    const name = "photos phone";
    const [own, used, orphan] = [
      await made(`${ACCESS}/service_tokens`, { name }),
      await made(`${ACCESS}/service_tokens`, { name }),
      await made(`${ACCESS}/service_tokens`, { name }),
    ];
    await made(`${ACCESS}/service_tokens`, { name: "another" });
    const include = [{ service_token: { token_id: used } }];
    await made(`${ACCESS}/policies`, { name: "devices", decision: "non_identity", include });
    expect(await found(accessType("ServiceToken"), { name }, own)).toEqual([orphan]);
  });

  test("a policy that no application has is an orphan", async () => {
    const [used, orphan] = [await made(`${ACCESS}/policies`, allow), await made(`${ACCESS}/policies`, allow)];
    const domain = "policy.home.localhost";
    await made(`${ACCESS}/apps`, { name: "policy", type: "self_hosted", domain, policies: [{ id: used }] });
    expect(await found(accessType("Policy"), { name: allow.name })).toEqual([orphan]);
  });

  test("an identity provider of our name is an orphan, somebody else's is not", async () => {
    const wanted = { name: "One-time PIN (immich-access)", type: "onetimepin" };
    const theirs = await made(`${ACCESS}/identity_providers`, { ...wanted, name: "One-time PIN", config: {} });
    expect(await found(accessType("IdentityProvider"), wanted)).toEqual([]);
    await fixture.call("DELETE", `${ACCESS}/identity_providers/${theirs}`);
    const orphan = await made(`${ACCESS}/identity_providers`, { ...wanted, config: {} });
    expect(await found(accessType("IdentityProvider"), wanted)).toEqual([orphan]);
  });

  test("a DNS record that is marked as ours is an orphan", async () => {
    const wanted = { ...RECORD, comment: "Immich behind Cloudflare Access" };
    const theirs = await made(`${ZONE}/dns_records`, RECORD);
    expect(await found("cloudflare:index/dnsRecord:DnsRecord", wanted)).toEqual([]);
    await fixture.call("DELETE", `${ZONE}/dns_records/${theirs}`);
    const orphan = await made(`${ZONE}/dns_records`, wanted);
    expect(await found("cloudflare:index/dnsRecord:DnsRecord", wanted)).toEqual([orphan]);
    await fixture.call("DELETE", `${ZONE}/dns_records/${orphan}`);
  });

  test("an application is an orphan, unless its host name is online and would lose its protection", async () => {
    const wanted = { name: "Immich photos", domain: SITE.hostname };
    const orphan = await made(`${ACCESS}/apps`, { ...wanted, type: "self_hosted" });
    expect(await found(accessType("Application"), wanted)).toEqual([orphan]);
    const record = await made(`${ZONE}/dns_records`, RECORD);
    await expect(found(accessType("Application"), wanted)).rejects.toThrow(orphan);
    await fixture.call("DELETE", `${ZONE}/dns_records/${record}`);
  });

  test("an origin certificate for the installed one's key is an orphan, the one before and one for another key are not", async () => {
    const request = () =>
      execFileSync(
        "openssl",
        ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"].concat(
          ...["-keyout", "/dev/null", "-subj", "/CN=photos"],
        ),
        { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
      );
    const csr = request();
    const issued = async (csr: string) => {
      const body = { csr, hostnames: [SITE.hostname], request_type: "origin-ecc", requested_validity: 365 };
      const { id, certificate } = (await fixture.call("POST", "/certificates", body)).result;
      const { fingerprint256 } = new X509Certificate(certificate);
      return { id, fingerprint: fingerprint256.replaceAll(":", "").toLowerCase() };
    };
    const [former, orphan, installed] = [await issued(csr), await issued(csr), await issued(csr)];
    await issued(request());
    const orphans = await findOrphanedCertificates(api, SITE, installed.fingerprint, former.fingerprint);
    expect(orphans.map(({ path }) => path)).toEqual([`certificates/${orphan.id}`]);
  });
});

describe("origin-pull certificates", () => {
  const PULLS = `${ZONE}/origin_tls_client_auth`;
  const KINDS = [
    ["hostname", "HostnameCertificate", `${PULLS}/hostnames/certificates`],
    ["zone", "Certificate", PULLS],
  ] as const;

  test.each(KINDS)(
    "an upload of the same certificate is an orphan until it is deleted: %s",
    async (_kind, type, path) => {
      const name = `authenticatedOriginPulls${type}`;
      const token = `cloudflare:index/${name}:${name[0]?.toUpperCase() ?? ""}${name.slice(1)}`;
      const pair = certificate(fixture.api.world.cas.sharedPullCa, []);
      const upload = () => made(path, { certificate: pair.certificate, private_key: pair.privateKey });
      const wanted = { certificate: `${pair.certificate}\n` };
      await fixture.admin.alter({ options: { origin_pull_activation_ms: 300, origin_pull_deletion_ms: 600 } });
      const orphan = await upload();
      expect(await found(token, wanted)).toEqual([orphan]);
      expect(await found(token, wanted, orphan)).toEqual([]);

      // It is still on its way to the edge, so its deletion is refused at first.
      await openAccount(fixture.url, fixture.token, 50).remove(`${path.slice(1)}/${orphan}`);
      const leaving = await SEARCHES[token]?.(api, { inputs: wanted }, SITE);
      expect(leaving).toMatchObject([{ status: "pending_deletion" }]);
      await expect.poll(() => found(token, wanted)).toEqual([]);
      expect(await upload()).toBe(orphan);
    },
  );
});

describe("rotations", () => {
  const rotated = (version: number, secret: string) =>
    requireNewSecret("photos", {
      newInputs: { name: "photos phone", clientSecretVersion: version, previousClientSecretExpiresAt: "2027-01-01" },
      oldInputs: { name: "photos phone" },
      newOutputs: { clientSecret: pulumi.secret(secret) },
      oldOutputs: { clientSecret: pulumi.secret("before") },
    });

  test("a rotation whose new secret was lost fails, and says which command creates another one", async () => {
    await expect(rotated(2, "before")).rejects.toThrow("npm run rotate -- --device phone --site photos --force");
  });

  test("a rotation that returned a secret passes, as does an update without a rotation", async () => {
    await expect(rotated(2, "after")).resolves.toBeUndefined();
    await expect(rotated(1, "before")).resolves.toBeUndefined();
  });
});

test("a token that was just made is refused for some seconds, which the queries wait for", async () => {
  const usable_from = new Date(Date.now() + 2000).toISOString();
  const { token } = await fixture.admin.createToken({ name: "new", usable_from });
  await expect(openAccount(fixture.url, token, 200).list("zones")).resolves.toHaveLength(1);
  const { token: disabled } = await fixture.admin.createToken({ name: "disabled", status: "disabled" });
  await expect(openAccount(fixture.url, disabled, 10_000).list("zones")).rejects.toThrow(
    /: 403, Invalid access token$/,
  );
});

test("a failed query for orphans is an error without the token", async () => {
  const elsewhere = openAccount(fixture.url, "x".repeat(40));
  await expect(elsewhere.list("zones")).rejects.toThrow("GET zones?page=1&per_page=50: 401, Invalid API Token");
});

describe("an answer that does not say what is there", () => {
  const APPLICATION = { name: "Immich", domain: SITE.hostname };
  const answers: [what: string, status: number, body: string][] = [
    ["a page of something on the way", 200, "<html>Log in to this network</html>"],
    [
      "a failure with the status 200",
      200,
      '{"success":false,"errors":[{"code":10000,"message":"Try later"}],"result":null}',
    ],
    ["a JSON of something else", 200, "{}"],
  ];

  test.each(answers)(
    "%s is no empty list, after which an application would be deleted",
    async (_what, status, body) => {
      const server = http.createServer((request, response) => {
        const isApps = request.url?.includes("/access/apps") === true;
        const list = { success: true, result: [{ id: "1", ...APPLICATION }], result_info: { page: 1, per_page: 50 } };
        if (isApps) response.end(JSON.stringify(list));
        else response.writeHead(status).end(body);
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      try {
        const { port } = server.address() as AddressInfo;
        const account = openAccount(`http://127.0.0.1:${port.toString()}`, "token", 1);
        const search = SEARCHES[accessType("Application")];
        const wanted = { inputs: { accountId: DEV.account, ...APPLICATION } };
        await expect(search?.(account, wanted, SITE)).rejects.toThrow(
          /^GET zones\/.*: 200, (but the answer is not|Try later)/,
        );
        await expect(account.find("zones/1")).rejects.toThrow("GET zones/1: 200");
      } finally {
        server.close();
      }
    },
  );
});
