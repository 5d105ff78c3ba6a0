import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { PROGRAM_PERMISSIONS } from "../../dev/sandbox/api/tokens.ts";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { mirrorProject } from "../../dev/commands/project.ts";
import { run } from "../../dev/sandbox/run.ts";
import type { CommandResult } from "../../dev/sandbox/sandbox.ts";
import { PROJECT } from "../e2e/support/deployment.ts";
import { SITE, startWorld, type World } from "../e2e/support/world.ts";
import { CTRL_C, ENTER, Terminal } from "./support/terminal.ts";

// A new user has a host, an account, a token and a checkout without a stack. Each test continues the one before.

const PROGRAM = join(PROJECT, "cli/configure/main.ts");
const NAMESPACE = "immich-access:";
/** Host name of a further site, and addresses of a further host. */
const ALBUM = "album.home.localhost";
const ADDRESSES = ["198.51.100.20", "198.51.100.21"];

let world: World;
let folder: string;
let project: string;
let keyFile: string;
let environment: Record<string, string>;

beforeAll(async () => {
  world = await startWorld();
  folder = mkdtempSync(join(tmpdir(), "immich-access-configure-"));
  project = join(folder, "project");
  mirrorProject(PROJECT, project);
  mkdirSync(join(folder, "backend"));
  keyFile = join(folder, "key");
  writeFileSync(keyFile, world.sandbox.sshTarget.privateKey, { mode: 0o600 });
  environment = {
    ...world.deployment.stack.workspace.envVars,
    PULUMI_BACKEND_URL: `file://${join(folder, "backend")}`,
    HOME: folder,
  };
});
afterAll(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs it without a terminal. */
const configure = (args: readonly string[], token = world.sandbox.token): Promise<CommandResult> =>
  run(["env", "-C", project, process.execPath, PROGRAM, "--api-url", world.sandbox.apiUrl, ...args], {
    env: { ...environment, CLOUDFLARE_API_TOKEN: token },
    timeout: 120_000,
  });

const flags = () => [
  ...["--hostname", SITE, "--ssh-address", world.sandbox.sshTarget.host, "--ssh-key-file", keyFile],
  ...["--ssh-host-key", world.sandbox.sshTarget.hostKey, "--email", "anna@example.com", "--device", "annas-phone"],
];

/** The host's private network. */
const homeNetwork = () => world.sandbox.sshTarget.host.replace(/\.\d+$/, ".0/30");

const settings = () =>
  (parse(readFileSync(join(project, "Pulumi.home.yaml"), "utf8")) as { config: Record<string, unknown> }).config;

/** Calls the sandbox's Cloudflare API, as the dashboard would. */
async function cloudflare<T>(method: string, path: string, body?: object): Promise<T> {
  const answer = await fetch(world.sandbox.apiUrl + path, {
    method,
    headers: { authorization: `Bearer ${world.sandbox.token}`, "content-type": "application/json" },
    body: body ? JSON.stringify(body) : null,
  });
  return ((await answer.json()) as { result: T }).result;
}

test("configure names the permissions that a token lacks, without changing anything", async () => {
  const granted = [
    ...["Zone Read", "DNS Write", "SSL and Certificates Read", "Zone Settings Write"],
    ...["Access: Apps and Policies Write", "Access: Organizations, Identity Providers, and Groups Write"],
  ];
  const { token } = await world.api.createToken({ name: "weak", permissions: granted });
  const before = await world.api.state();
  const { code, stderr } = await configure(flags(), token);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^the token lacks: Zone, SSL and Certificates, Edit; Account, Access: Service Tokens, Edit\. Cloudflare says: Authentication error \(10000\)\n/,
  );
  expect(stderr).toContain("https://dash.cloudflare.com/profile/api-tokens?permissionGroupKeys=");
  expect(stderr).not.toContain(token);
  expect(await world.api.state()).toEqual(before);
});

test("configure says first what the account and the zone are missing, and writes nothing", async () => {
  const { organizations, zones } = await world.api.state();
  await world.api.alter({ organizations: [] });
  expect(await configure(flags())).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^the account has no Zero Trust team yet: open https:\/\/one\.dash\.cloudflare\.com/,
    ) as string,
  });
  await world.api.alter({ organizations, zones: zones.map((zone) => ({ ...zone, status: "pending" })) });
  expect(await configure(flags())).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^the zone home\.localhost is not active, its status is pending: /) as string,
  });
  await world.api.alter({ zones });
  expect(existsSync(join(project, "Pulumi.home.yaml"))).toBe(false);
});

test("configure refuses a host with another key, and writes nothing", async () => {
  const { code, stderr } = await configure([...flags(), "--ssh-host-key", "SHA256:another"]);
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("not the one that was given") as string,
  });
  expect(existsSync(join(project, "Pulumi.home.yaml"))).toBe(false);
});

test("configure asks on a terminal, shows no secret, and can be left at any question", async () => {
  const { apiUrl, sshTarget } = world.sandbox;
  // Cloudflare refuses it for a while.
  const usable_from = new Date(Date.now() + 5000).toISOString();
  const { token } = await world.api.createToken({ name: "new", usable_from });
  const command = [process.execPath, PROGRAM, "--api-url", apiUrl];
  const left = new Terminal(command, project, environment);
  await left.answer("Cloudflare API token (", token + ENTER);
  await left.answer("Host name of the site", CTRL_C);
  expect(await left.end()).toBe(130);
  expect(existsSync(join(project, "Pulumi.home.yaml"))).toBe(false);

  const asked = new Terminal(command, project, environment);
  await asked.answer("Cloudflare API token (", `${"x".repeat(40)}${ENTER}`);
  await asked.until("does not accept the API token");
  await asked.answer("Cloudflare API token (", token + ENTER);
  await asked.answer("Host name of the site", ENTER);
  await asked.answer("reaches the host over SSH", sshTarget.host + ENTER);
  await asked.answer("Its SSH port", ENTER);
  await asked.answer("Are they the same?", "y");
  await asked.answer("User there", ENTER);
  await asked.answer("File with the private key", keyFile + ENTER);
  await asked.answer("Address of Immich", ENTER);
  // Debian's own page; the network of the sandbox's workstation is the first choice.
  await asked.answer("80/tcp: nginx", ENTER);
  await asked.answer("Public addresses", ENTER);
  await asked.answer("Home networks that reach Immich", homeNetwork() + ENTER);
  await asked.answer("Email addresses", `anna@example.com, ben@example.com${ENTER}`);
  await asked.answer("phones and programs", ENTER);
  // The token has no permission for that, so the question comes again.
  await asked.answer("Shall Cloudflare send an email", "y");
  await asked.answer("Email addresses for that", ENTER);
  await asked.until("the token lacks: Account, Notifications, Edit");
  await asked.answer("Shall Cloudflare send an email", ENTER);
  await asked.answer("How long people stay logged in", ENTER);
  await asked.answer("How people log in", ENTER);
  expect(await asked.end()).toBe(0);
  expect(asked.shown).not.toContain(token);
  expect(settings()).toMatchObject({
    [`${NAMESPACE}hostname`]: SITE,
    [`${NAMESPACE}zoneId`]: DEV.zone,
    [`${NAMESPACE}accountId`]: DEV.account,
    [`${NAMESPACE}teamDomain`]: DEV.teamDomain,
    [`${NAMESPACE}sshHostKey`]: sshTarget.hostKey,
    [`${NAMESPACE}emails`]: ["anna@example.com", "ben@example.com"],
    [`${NAMESPACE}keepOpen`]: [
      expect.stringMatching(/^80\/tcp from 10\.77\./),
      expect.stringMatching(/^80\/tcp from fd77:/),
    ],
    [`${NAMESPACE}closeOthers`]: "true",
    [`${NAMESPACE}sessionDuration`]: "720h",
    [`${NAMESPACE}originAddresses`]: ["198.51.100.10", "2001:db8:77::10"],
    [`${NAMESPACE}homeNetworks`]: [homeNetwork()],
    [`${NAMESPACE}apiToken`]: { secure: expect.any(String) as string },
    [`${NAMESPACE}sshPrivateKey`]: { secure: expect.any(String) as string },
  });
  expect(settings()).not.toHaveProperty(`${NAMESPACE}notificationEmails`);
});

test("configure adopts what was set up by hand, and pulumi up then changes it in place", async () => {
  const records = `/zones/${DEV.zone}/dns_records`;
  const access = `/accounts/${DEV.account}/access`;
  const record = { name: SITE, type: "A", content: "198.51.100.77", ttl: 300, proxied: false };
  await cloudflare("POST", records, record);
  const include = [{ email_domain: { domain: "example.com" } }];
  const { id } = await cloudflare<{ id: string }>("POST", `${access}/policies`, {
    name: "friends",
    decision: "allow",
    include,
  });
  await cloudflare("POST", `${access}/apps`, { name: "photos", type: "self_hosted", domain: SITE, policies: [id] });
  await world.sandbox.runOnHost(["ufw", "allow", "443/tcp"]);

  const left = await configure(flags());
  expect(left.stdout).toContain(`delete A 198.51.100.77 (not proxied) for ${SITE} in the dashboard`);
  const before = await world.api.state();
  const { code, stdout, stderr } = await configure([...flags(), "--adopt"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("run `ufw delete allow 443/tcp` on the host");
  expect(stdout).not.toContain("run this again with --adopt");
  expect(await world.api.state()).toEqual(before);

  const preview = ["pulumi", "preview", "--stack", "home", "--json", "--non-interactive"];
  const planned = await run(["env", "-C", project, ...preview], { env: environment, timeout: 120_000 });
  const { steps } = JSON.parse(planned.stdout) as { steps: { op: string; urn: string }[] };
  const updated = steps.filter(({ op }) => op === "update").map(({ urn }) => urn.split("::").at(-1));
  expect(updated).toEqual(expect.arrayContaining([`${SITE}-dns-a-198-51-100-10`, `${SITE}-access-application`]));
  expect(steps.filter(({ op }) => op.includes("replace") || op.includes("delete"))).toEqual([]);
  // What the stack has already is not offered again.
  expect((await configure(flags())).stdout).not.toContain("Found ");
});

test("configure leaves further sites and hosts alone", async () => {
  const records = `/zones/${DEV.zone}/dns_records`;
  const further = {
    [`${NAMESPACE}moreSites`]: [{ hostname: ALBUM, immichUpstream: "127.0.0.1:2284", emails: ["bert@example.com"] }],
    [`${NAMESPACE}moreHosts`]: [
      { sshAddress: "198.51.100.20", sshHostKey: world.sandbox.sshTarget.hostKey, originAddresses: ADDRESSES },
    ],
  };
  const file = join(project, "Pulumi.home.yaml");
  const present = parse(readFileSync(file, "utf8")) as { config: object };
  writeFileSync(file, stringify({ ...present, config: { ...present.config, ...further } }));
  for (const name of [SITE, ALBUM]) {
    for (const content of ADDRESSES) {
      await cloudflare("POST", records, { name, type: "A", content, ttl: 1, proxied: true });
    }
  }
  await cloudflare("POST", `/accounts/${DEV.account}/access/apps`, {
    name: "album",
    type: "self_hosted",
    domain: ALBUM,
    policies: [],
  });
  const { code, stdout } = await configure([...flags(), "--email", "carl@example.com", "--no-adopt"]);
  expect(code).toBe(0);
  expect(settings()).toMatchObject({ ...further, [`${NAMESPACE}emails`]: ["anna@example.com", "carl@example.com"] });
  expect(stdout).not.toContain("album");
  // The main site's records for the other host are ones that the stack wants.
  expect(stdout).toContain(`Found ${ADDRESSES.map((address) => `A ${address}`).join(" and ")} for ${SITE}.`);
  expect(stdout).not.toContain("also has");
});

test("configure names a tunnel and a Worker that have one of the names, and takes the zone's own name", async () => {
  const { zones } = await world.api.state();
  const file = join(project, "Pulumi.home.yaml");
  const present = parse(readFileSync(file, "utf8")) as { config: object };
  const shares = { [`${NAMESPACE}publicShareHostname`]: "a.shares.home.localhost" };
  writeFileSync(file, stringify({ ...present, config: { ...present.config, ...shares } }));
  const record = {
    name: "a.shares.home.localhost",
    type: "CNAME",
    content: "1.cfargotunnel.com",
    proxied: true,
    ttl: 1,
  };
  await cloudflare("POST", `/zones/${DEV.zone}/dns_records`, record);
  const routes = [{ id: "1", pattern: "home.localhost/*", script: "maintenance" }];
  await world.api.alter({ zones: zones.map((zone) => ({ ...zone, workers_routes: routes })) });
  const permissions = [...PROGRAM_PERMISSIONS, "Workers Routes Read"];
  const { token } = await world.api.createToken({ name: "workers", permissions });
  const { code, stdout } = await configure([...flags(), "--hostname", DEV.zoneName, "--no-adopt"], token);
  expect(code).toBe(0);
  expect(stdout).toContain("covers home.localhost and names one level under it, not a.shares.home.localhost");
  expect(stdout).toContain("Before pulumi up: a Cloudflare Tunnel gets the requests for a.shares.home.localhost");
  expect(stdout).toContain('Before pulumi up: the Worker "maintenance" takes requests for home.localhost');
  expect(settings()).toMatchObject({ [`${NAMESPACE}hostname`]: DEV.zoneName });
});
