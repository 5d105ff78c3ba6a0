// How a change of the mode ends what the former one has Cloudflare present, asked of the sandbox's API.

import * as pulumi from "@pulumi/pulumi";
import { beforeEach, expect, test, vi } from "vitest";
import { type Account, openAccount } from "../../components/cloudflare-account.ts";
import { authorityName } from "../../components/origin-pulls/certificate.ts";
import { disableZoneCertificate, voidAssociations } from "../../components/origin-pulls/voiding.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { selfSigned } from "../../dev/sandbox/certificates/x509.ts";
import { type ApiFixture, startApiFixture } from "../../dev/sandbox/test/api-fixture.ts";
import { certificate } from "../../dev/sandbox/test/edge-fixture.ts";

const PULLS = `/zones/${DEV.zone}/origin_tls_client_auth`;
const [SITE, OTHER] = ["photos.home.localhost", "other.home.localhost"];
const SOON = { every: 20, patience: 200 };

const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue(undefined);
vi.spyOn(pulumi.log, "info").mockResolvedValue(undefined);

let fixture: ApiFixture;
let api: Account;
beforeEach(async () => {
  warn.mockClear();
  fixture = await startApiFixture();
  api = openAccount(fixture.url, fixture.token);
  return () => fixture.close();
});

/** Uploads a client certificate of a site's CA. Returns its id. */
async function upload(kind: "/hostnames/certificates" | "", hostname: string): Promise<string> {
  const day = 86_400_000;
  const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };
  const ca = selfSigned({ subject: [["CN", authorityName(hostname)]], ...validity });
  const leaf = certificate(ca, []);
  const body = { certificate: leaf.certificate, private_key: leaf.privateKey };
  return (await fixture.call("POST", PULLS + kind, body)).result.id;
}

async function associate(...hostnames: string[]): Promise<void> {
  for (const hostname of hostnames) {
    const config = [{ hostname, cert_id: await upload("/hostnames/certificates", hostname), enabled: true }];
    expect((await fixture.call("PUT", `${PULLS}/hostnames`, { config })).success).toBe(true);
  }
}
const associated = async () =>
  (await fixture.admin.state()).zones[0]?.origin_pulls.hostnames.map(({ hostname }) => hostname);
const enabled = async () => (await fixture.admin.state()).zones[0]?.origin_pulls.enabled;

test("only the stack's own host names lose their certificates", async () => {
  await associate(SITE, OTHER);
  await voidAssociations(api, DEV.zone, [SITE, "shares.home.localhost"]);
  expect(await associated()).toEqual([OTHER]);
});

test("a stack without such certificates changes nothing at Cloudflare", async () => {
  await associate(OTHER);
  const earlier = (await fixture.admin.requests()).at(-1)?.id;
  await voidAssociations(api, DEV.zone, [SITE]);
  const methods = (await fixture.admin.requests(earlier)).map(({ method }) => method);
  expect(methods).toEqual(["GET"]);
});

test("the deployment waits until the edge no longer presents a host name's certificate", async () => {
  await associate(SITE);
  await fixture.admin.alter({ options: { origin_pull_association_ms: 300 } });
  const began = performance.now();
  await voidAssociations(api, DEV.zone, [SITE], { every: 20, patience: 10_000 });
  expect(performance.now() - began).toBeGreaterThan(250);
  expect(warn).not.toHaveBeenCalled();
});

test("a certificate that the edge presents for too long causes a warning", async () => {
  await associate(SITE);
  await fixture.admin.alter({ options: { origin_pull_association_ms: 60_000 } });
  await voidAssociations(api, DEV.zone, [SITE], SOON);
  expect(warn).toHaveBeenCalledWith(expect.stringContaining(`of ${SITE} within`));
});

test.each([
  ["is no longer presented if this stack has made it", [SITE], false],
  ["is presented as before if somebody else has made one", [SITE, OTHER], true],
  ["is left alone if there is none", [], true],
] as const)("the zone's certificate %s", async (_what, makers, after) => {
  for (const maker of makers) await upload("", maker);
  await fixture.call("PUT", `${PULLS}/settings`, { enabled: true });
  await disableZoneCertificate(api, DEV.zone, [SITE]);
  expect(await enabled()).toBe(after);
});
