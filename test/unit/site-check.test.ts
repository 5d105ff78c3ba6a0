import { once } from "node:events";
import https from "node:https";
import type { AddressInfo } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { findSiteProblem, type OnlineSite, waitForSite } from "../../components/site-check/index.ts";
import { ANSWER_MS, type Network, networkFromEnvironment } from "../../components/site-check/network.ts";
import { LIMITS } from "../../dev/sandbox/edge/limits.ts";
import { issue, newKey, selfSigned } from "../../dev/sandbox/certificates/x509.ts";

const SITE: OnlineSite = {
  hostname: "photos.example.com",
  serves: "immich",
  teamDomain: "team.cloudflareaccess.com",
  device: { clientId: "0123.access", clientSecret: "cfast_secret" },
};
const LOGIN = "https://team.cloudflareaccess.com/cdn-cgi/access/login/photos.example.com";

/** What the site answers: status, headers and body, by who asks. */
type Given = [status: number, headers?: Record<string, string>, body?: string];
let answers: Record<"stranger" | "device", Given[]>;
let network: Network;
let server: https.Server;
const said: string[] = [];

beforeAll(async () => {
  const valid = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const ca = selfSigned({ subject: [["CN", "Public CA"]], ...valid });
  const key = newKey("ec");
  const { hostname } = SITE;
  const certificate = issue(ca, {
    subject: [["CN", hostname]],
    publicKey: key.publicKey,
    hostnames: [hostname],
    ...valid,
  });
  server = https.createServer({ cert: certificate, key: key.pem }, (request, response) => {
    const given = answers["cf-access-client-id" in request.headers ? "device" : "stranger"];
    const [status, headers = {}, body = ""] = (given.length > 1 ? given.shift() : given[0]) ?? [500];
    response.writeHead(status, headers).end(body);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  network = {
    ...networkFromEnvironment({ IMMICH_ACCESS_CONNECT_TO: `::127.0.0.1:${port.toString()}` }),
    ca: ca.certificate,
  };
  for (const level of ["info", "warn"] as const) {
    vi.spyOn(pulumi.log, level).mockImplementation((text) => {
      said.push(`${level}: ${text}`);
      return Promise.resolve();
    });
  }
});

afterAll(() => server.close());

beforeEach(() => {
  said.length = 0;
  answers = { stranger: [[302, { location: LOGIN }]], device: [[200, {}, '{"res":"pong"}']] };
});

it("the site check finds nothing wrong with a site that sends strangers to the login page and lets a device reach Immich", async () => {
  expect(await findSiteProblem(network, SITE)).toBeUndefined();
});

it.each<[string, Given, string, string]>([
  ["a filter before the host", [522], "the host does not answer Cloudflare", "forward port 443"],
  ["a stopped nginx", [521], "the host refuses Cloudflare's connection", "whether nginx is running"],
  ["a foreign certificate", [526], "Cloudflare does not accept the host's certificate", "npm run doctor"],
  ["missing origin pulls", [400], "nginx got no certificate of Cloudflare", "npm run doctor"],
  ["another server", [404], "something other than Immich answers", "see which program answers"],
  ["a bot check", [403, { "cf-mitigated": "challenge" }], "asks for proof of a human", "Bot Fight Mode"],
])("the site check names %s as the cause", async (_, answer, problem, remedy) => {
  answers.device = [answer];
  const found = await findSiteProblem(network, SITE);
  expect(found?.problem).toMatch(/^a device gets /);
  expect(found?.problem).toContain(problem);
  expect(found?.remedy).toContain(remedy);
  expect(found?.exposed).toBe(false);
});

it.each<[Given, string, string]>([
  [
    [302, { location: "https://elsewhere.example.com/" }],
    "302, which leads to elsewhere.example.com",
    "npm run doctor",
  ],
  [
    [302, { location: LOGIN.replace("team", "other") }],
    "the login page of other.cloudflareaccess.com, not that of team.cloudflareaccess.com",
    "compare teamDomain",
  ],
  [[401], "401 and no login page, so nobody can log in", "pulumi up --refresh"],
  [[403], "403 and no login page, so nobody can log in", "pulumi up --refresh"],
  [[403, { "cf-mitigated": "challenge" }], "403, Cloudflare asks for proof of a human", "Bot Fight Mode"],
  [[200], "status 200", "npm run doctor"],
])("the site check does not mistake %j for the login page of the team", async (answer, problem, remedy) => {
  answers.stranger = [answer];
  const found = await findSiteProblem(network, SITE);
  expect(found?.problem).toContain(`a stranger gets ${problem}`);
  expect(found?.remedy).toContain(remedy);
});

it("the site check takes any team's login page if the team is not known", async () => {
  answers.stranger = [[302, { location: LOGIN.replace("team", "other") }]];
  expect(await findSiteProblem(network, { ...SITE, teamDomain: "" })).toBeUndefined();
});

it("the site check needs no device, and asks public shares for a page that everybody gets", async () => {
  answers.device = [[500]];
  expect(await findSiteProblem(network, { ...SITE, device: undefined })).toBeUndefined();
  answers.stranger = [[200, {}, "ok"]];
  expect(await findSiteProblem(network, { ...SITE, serves: "shares", device: undefined })).toBeUndefined();
});

it("the site check tells a name that does not resolve from a refused connection and a certificate that is missing", async () => {
  const at = (hostname: string, to: string) =>
    findSiteProblem(
      { ...network, detours: networkFromEnvironment({ IMMICH_ACCESS_CONNECT_TO: to }).detours },
      { ...SITE, hostname },
    );
  expect((await at(SITE.hostname, "::no-such-name.invalid:443"))?.problem).toBe(
    "a stranger: the name does not resolve",
  );
  expect((await at(SITE.hostname, "::127.0.0.1:9"))?.remedy).toContain("does not reach Cloudflare");
  const { port } = server.address() as AddressInfo;
  const other = await at("other.example.com", `::127.0.0.1:${port.toString()}`);
  expect(other?.remedy).toContain("Universal SSL");
});

it("the site check waits for Access, says what it waits for, and ends without a warning once the site answers", async () => {
  answers.stranger = [[403], ...answers.stranger];
  answers.device = [[403], [403], [522], [200, {}, '{"res":"pong"}']];
  await waitForSite(network, SITE, 30);
  const waits = "Access takes up to two minutes to be in force";
  expect(
    said.map((line) => /^info: https:\/\/photos\.example\.com: (.*); waiting up to \d+ s$/.exec(line)?.[1]),
  ).toEqual([waits, waits, expect.stringMatching(/^a device gets 522, /)]);
});

it("the site check ends with a warning that names the cause when the time is over", async () => {
  answers.device = [[522]];
  await waitForSite(network, SITE, 1);
  expect(said.at(-1)).toMatch(
    /^warn: https:\/\/photos\.example\.com does not answer as it should after 1 s: a device gets 522/,
  );
  expect(said.join("\n")).not.toContain("cfast_secret");
});

it("the site check fails if strangers still reach Immich when the time is over", async () => {
  answers.stranger = [[200, {}, '{"res":"pong"}']];
  await expect(waitForSite(network, SITE, 1)).rejects.toThrow(/a stranger reaches Immich/);
});

it("the site check refuses a malformed detour in the environment", () => {
  expect(() => networkFromEnvironment({ IMMICH_ACCESS_CONNECT_TO: "nonsense" })).toThrow(/HOST1:PORT1/);
});

it("the site check waits for Cloudflare's own word about a host that does not answer at either of two addresses", () => {
  expect(ANSWER_MS).toBeGreaterThan(2 * LIMITS.connectMs);
});
