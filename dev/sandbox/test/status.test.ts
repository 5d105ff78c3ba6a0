import http from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEV } from "../api/world.ts";
import { type ApiFixture, startApiFixture } from "./api-fixture.ts";
import { certificate } from "./edge-fixture.ts";

const zone = `/zones/${DEV.zone}`;
const access = `/accounts/${DEV.account}/access`;
const SITE = "photos.home.localhost";

let fixture: ApiFixture;
let page: string;
/** Everything that must not be on the page. */
const secrets: string[] = [];

/** The page as a browser asks for it that believes to be at `host`; fetch would not let a script choose. */
function open(host: string, path = "/"): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: "127.0.0.1", port: fixture.api.port, path, headers: { host }, agent: false }, (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (body += chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      })
      .on("error", reject);
  });
}

beforeAll(async () => {
  fixture = await startApiFixture();
  const { call, admin, api } = fixture;
  const pull = certificate(api.world.cas.sharedPullCa, []);
  const upload = await call("POST", `${zone}/origin_tls_client_auth/hostnames/certificates`, {
    certificate: pull.certificate,
    private_key: pull.privateKey,
  });
  const config = [{ hostname: SITE, cert_id: upload.result.id, enabled: true }];
  await call("PUT", `${zone}/origin_tls_client_auth/hostnames`, { config });
  await call("POST", `${zone}/dns_records`, { name: SITE, type: "A", content: "198.51.100.10", proxied: true, ttl: 1 });
  await call("PATCH", `${zone}/settings/ssl`, { value: "strict" });
  const token = await call("POST", `${access}/service_tokens`, { name: "Anna's phone" });
  const include = [{ service_token: { token_id: token.result.id } }];
  const policy = (name: string, decision: string, rules: object[]) =>
    call("POST", `${access}/policies`, { name, decision, include: rules });
  const people = await policy("photos people", "allow", [{ email: { email: "anna@example.com" } }]);
  const devices = await policy("photos devices", "non_identity", include);
  await policy("<script>alert(1)</script>", "deny", [{ everyone: {} }]);
  const policies = [people, devices].map(({ result }, index) => ({ id: result.id, precedence: index + 1 }));
  await call("POST", `${access}/apps`, { name: "Immich", type: "self_hosted", domain: SITE, policies });
  const mail = { at: new Date().toISOString(), to: "anna@example.com", pin: "246810", application: "Immich" };
  await admin.alter({ mailbox: [{ ...mail, expires_at: new Date(Date.now() + 60_000).toISOString() }] });
  await call("GET", `${zone}/firewall/rules`);

  const state = await admin.state();
  const { cas } = api.world;
  secrets.push(
    fixture.token,
    token.result.client_secret,
    ...state.service_tokens.map(({ secret_hash }) => secret_hash),
    ...state.api_tokens.map(({ secret_hash }) => secret_hash),
    ...[pull, cas.publicCa, cas.originCa, cas.sharedPull].map(({ privateKey }) => privateKey),
    ...state.organizations.flatMap(({ signing_keys }) => signing_keys.map((key) => key.private_key)),
  );
  page = (await open(`127.0.0.1:${fixture.api.port}`)).body;
});
afterAll(() => fixture.close());

describe("the status page", () => {
  test.each([
    ["the zone", DEV.zoneName],
    ["a setting", "min_tls_version"],
    ["the DNS record", "198.51.100.10"],
    ["its proxy", "proxied"],
    ["the application", "Immich"],
    ["who gets in", "email anna@example.com"],
    ["a device by its name", "service token Anna&#39;s phone"],
    ["the kind of an identity provider", ">cloudflare</span>"],
    ["when a token ends", "in 364 days"],
    ["when a client certificate ends", "in 48 h"],
    ["the team domain", DEV.teamDomain],
    ["a PIN", "246810"],
    ["a request", `${zone}/settings/ssl`],
    ["the unknown route", `/client/v4${zone}/firewall/rules`],
    ["its mark", "UNKNOWN ROUTE"],
    ["its alarm", "Requests to routes that the sandbox does not know: 1"],
  ])("the status page shows %s", (_name, text) => {
    expect(page).toContain(text);
  });

  test("the status page shows client ids, which are not secret", () => {
    for (const { client_id } of fixture.api.world.store.state.service_tokens) expect(page).toContain(client_id);
  });

  test("the status page shows policies in the order in which Access applies them", () => {
    expect(page.indexOf("photos devices")).toBeGreaterThan(0);
    expect(page.indexOf("photos devices")).toBeLessThan(page.indexOf("photos people"));
  });

  test("the status page holds no secret", () => {
    expect(secrets).toHaveLength(10);
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThan(30);
      expect(page).not.toContain(secret);
    }
    expect(page).not.toContain("PRIVATE KEY");
  });

  test("the status page escapes what it shows and loads nothing from elsewhere", () => {
    expect(page).toContain("&lt;script&gt;alert(1)");
    expect(page).not.toContain("<script>alert");
    expect(page).not.toMatch(/(?:src|href)="(?!data:)/);
  });

  test("the status page runs its own script only", async () => {
    const { headers, body } = await open("localhost");
    const nonce = /script-src 'nonce-([^']+)'/.exec(String(headers["content-security-policy"]))?.[1];
    expect(body).toContain(`<script nonce="${nonce}">`);
    expect(headers["cache-control"]).toBe("no-store");
  });

  test.each([
    ["127.0.0.1:18001", 200],
    ["localhost:18001", 200],
    ["[::1]:18001", 200],
    ["rebound.example", 403],
    ["127.0.0.1.example:18001", 403],
    ["localhost.example", 403],
  ])("the status page opened as %s answers %i", async (host, status) => {
    expect((await open(host)).status).toBe(status);
  });

  test("the status page does not serve the test interface", async () => {
    expect((await open("localhost", "/sandbox/state")).status).toBe(404);
    expect((await open("localhost", "/sandbox/edge-state")).status).toBe(404);
  });
});
