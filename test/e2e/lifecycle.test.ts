import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DeviceHeaders } from "../../components/site-check/answers.ts";
import { runProbes } from "../../dev/commands/probes.ts";
import { runCli } from "../cli/support/cli.ts";
import { logIn } from "./support/login.ts";
import { openEverything } from "./support/opened.ts";
import { DESIGNED, overlaps, spans } from "./support/order.ts";
import { plant } from "./support/planted.ts";
import { failures, lockedOut, reached, startProber } from "./support/prober.ts";
import { SecretWatch } from "./support/secrets.ts";
import { type Outputs, SITE, startWorld, type World } from "./support/world.ts";

let world: World;
let outputs: Outputs;
let secrets: SecretWatch;

beforeAll(async () => {
  world = await startWorld();
  secrets = new SecretWatch(world);
});
afterAll(async () => {
  await secrets.stop();
  await world.close();
});

const device = (name: string): DeviceHeaders => {
  const found = outputs.devices[name];
  if (!found) throw new Error(`no device ${name} among ${Object.keys(outputs.devices).join(", ")}`);
  return found;
};
const apiRequests = async (since: number) =>
  (await world.api.requests(since)).map(({ method, path }) => `${method} ${path}`);
const lastRequest = async () => (await world.api.requests()).at(-1)?.id ?? 0;
const pinged = async (name: string, hostname = SITE) =>
  (await world.visit("/api/server/ping", device(name), hostname)).status;

describe("up", () => {
  test("up puts the site online in the designed order, and nobody bypasses Access at any time", async () => {
    const prober = startProber(world.sandbox, SITE);
    const { steps, output } = await world.deployment.up();
    expect(failures(await prober.stop(), steps)).toEqual([]);
    // Pulumi warns of outputs that are undefined; about settings that cannot be deleted the provider warns.
    expect(output).not.toContain("Undefined value");
    outputs = await world.deployment.outputs<Outputs>();
    secrets.learnDevices(outputs);

    const ordered = spans(steps);
    expect(ordered.map(({ part }) => part)).toEqual(DESIGNED);
    expect(overlaps(ordered)).toEqual([]);
  });

  test("the strangers who watch up would notice a way around Access, and SSH that is blocked", async () => {
    const opened = await openEverything(world);
    const prober = startProber(world.sandbox, SITE);
    await sleep(2000);
    const attempts = await prober.stop();
    await opened.close();
    const waysOf = (some: readonly { way: string }[]) => [...new Set(some.map(({ way }) => way))].sort();
    const found = [...reached(attempts), ...lockedOut(attempts)];
    expect(waysOf(found)).toEqual(waysOf(attempts));
    expect(waysOf(lockedOut(attempts))).toHaveLength(4);

    const step = { name: "dns-a", type: "", op: "create", began: 0, done: 0 };
    const lines = failures(attempts, [{ ...step, beganAt: 0, doneAt: Date.now() }]);
    expect(lines).toHaveLength(found.length);
    expect(lines[0]).toMatch(/^through the edge: pong, \d+ times from [\d:.]{12} to [\d:.]{12}, during create dns-a$/);
  });

  test("up ends with the right answer for everyone", async () => {
    const probes = await runProbes(world.sandbox, SITE, device("annas-phone"));
    expect(probes.filter(({ ok }) => !ok)).toEqual([]);
    expect(probes).toHaveLength(6);
  });

  test("up exports what a person needs", () => {
    expect(outputs.url).toBe(`https://${SITE}`);
    expect(outputs.audience).toMatch(/^[0-9a-f]{64}$/);
    const days = (time: string | undefined) => (Date.parse(time ?? "") - Date.now()) / 86_400_000;
    expect(days(outputs.certificateExpiry.origin)).toBeCloseTo(365, 0);
    expect(days(outputs.certificateExpiry.originPulls)).toBeCloseTo(365, 0);
    expect(days(outputs.tokenExpiry["frame"])).toBeCloseTo(365, 0);
    expect(device("frame").clientId).not.toBe(device("annas-phone").clientId);
  });

  test("a second up changes nothing and asks Cloudflare for nothing but its ranges", async () => {
    const since = await lastRequest();
    const { steps, counts } = await world.deployment.up();
    expect(steps).toEqual([]);
    expect(Object.keys(counts)).toEqual(["same"]);
    expect(await apiRequests(since)).toEqual(["GET /client/v4/ips"]);
  });

  test("a refresh after up finds no drift", async () => {
    const { steps, output } = await world.deployment.refresh();
    expect(steps, output).toEqual([]);
  });
});

describe("preview", () => {
  test("a preview shows a change without making it, and without SSH", async () => {
    await world.deployment.configure({ sessionDuration: "12h", sshAddress: "192.0.2.1" });
    const { steps } = await world.deployment.preview();
    await world.deployment.configure({ sessionDuration: "24h", sshAddress: world.sandbox.sshTarget.host });
    expect(steps.filter(({ type }) => type.includes(":ZeroTrust")).map(({ name, op }) => [name, op])).toEqual([
      [`${SITE}-access-people`, "update"],
      [`${SITE}-access-application`, "update"],
    ]);
  });

  test("a preview works without any network when the ranges are pinned", async () => {
    const { ips } = await world.api.state();
    const since = await lastRequest();
    const { apiUrl } = world.sandbox;
    await world.deployment.configure({
      ipRanges: [...ips.ipv4_cidrs, ...ips.ipv6_cidrs],
      apiUrl: "http://127.0.0.1:9/client/v4",
      sshAddress: "192.0.2.1",
    });
    await expect(world.deployment.preview()).resolves.toBeDefined();
    expect(await apiRequests(since)).toEqual([]);
    await world.deployment.configure({ apiUrl, sshAddress: world.sandbox.sshTarget.host });
    await world.deployment.removeSetting("ipRanges");
    expect((await world.deployment.up()).steps).toEqual([]);
  });
});

describe("devices", () => {
  test("one device gets a new secret; its old one works for the grace period, the others notice nothing", async () => {
    const before = { ...outputs.devices };
    const rotate = await runCli(world.deployment, "rotate", ["--device", "frame", "--grace", "1h", "--yes"]);
    expect(rotate.code, rotate.stdout + rotate.stderr).toBe(0);
    outputs = await world.deployment.outputs<Outputs>();
    secrets.learnDevices(outputs);
    world.deployment.transcript += rotate.stdout + rotate.stderr;
    expect(device("frame").clientId).toBe(before["frame"]?.clientId);
    expect(device("frame").clientSecret).not.toBe(before["frame"]?.clientSecret);
    expect(device("annas-phone")).toEqual(before["annas-phone"]);
    expect(await pinged("frame")).toBe(200);
    expect((await world.visit("/api/server/ping", before["frame"])).status).toBe(200);
    expect(await pinged("annas-phone")).toBe(200);
  });

  test("a device that is removed from the list is refused at once", async () => {
    const frame = device("frame");
    await world.deployment.removeSetting("deviceRotations");
    await world.deployment.configure({ devices: ["annas-phone"] });
    await world.deployment.up();
    outputs = await world.deployment.outputs<Outputs>();
    expect(Object.keys(outputs.devices)).toEqual(["annas-phone"]);
    expect((await world.visit("/api/server/ping", frame)).status).toBe(401);
    expect(await pinged("annas-phone")).toBe(200);
    expect((await world.api.state()).service_tokens.map(({ name }) => name)).toEqual([`${SITE} annas-phone`]);
  });
});

describe("a failing step", () => {
  test("a step that fails says why in one line, and the steps after it do not run", async () => {
    const broken = "/etc/nginx/conf.d/broken.conf";
    await world.sandbox.runOnHost(["sh", "-c", `echo 'nonsense;' >${broken}`]);
    await world.deployment.configure({ hostRevision: 2 });
    const failed = await world.deployment.up().then(
      () => "",
      (error: unknown) => String(error),
    );
    await world.sandbox.runOnHost(["rm", broken]);
    expect(failed).toMatch(/^ *immich-access: [^\n]*refuses its configuration already[^\n]*broken\.conf:1/m);
    expect(failed).not.toContain("zone-tls-");
    // Pulumi prints the command line that failed, too.
    expect(Math.max(...failed.split("\n").map((line) => line.length))).toBeLessThan(500);
    await secrets.learnKeys();
  });
});

describe("another host name", () => {
  test("another host name moves the site without leaving the old name unprotected at any time", async () => {
    const moved = "album.home.localhost";
    const probers = [startProber(world.sandbox, SITE), startProber(world.sandbox, moved)];
    await world.deployment.configure({ hostname: moved });
    const { steps } = await world.deployment.up();
    for (const prober of probers) expect(failures(await prober.stop(), steps)).toEqual([]);

    outputs = await world.deployment.outputs<Outputs>();
    expect(await pinged("annas-phone", moved)).toBe(200);
    const { access_apps, dns_records } = await world.api.state();
    expect(access_apps.map(({ domain }) => domain)).toEqual([moved]);
    expect(new Set(dns_records.map(({ name }) => name))).toEqual(new Set([moved]));
    const { stdout } = await world.sandbox.ssh(["ls", "/etc/immich-access", "/etc/nginx/sites-enabled"]);
    expect(stdout).toContain(moved);
    expect(stdout).not.toContain(SITE);
    secrets.learnDevices(outputs);
    await secrets.learnKeys();
  });
});

describe("destroy", () => {
  test("destroy removes everything in the reverse order, and nobody bypasses Access meanwhile", async () => {
    const prober = startProber(world.sandbox, "album.home.localhost");
    const { steps } = await world.deployment.destroy();
    expect(failures(await prober.stop(), steps)).toEqual([]);

    const ordered = spans(steps);
    expect(ordered.map(({ part }) => part)).toEqual([...DESIGNED].reverse());
    expect(overlaps(ordered)).toEqual([]);

    const state = await world.api.state();
    const { access_apps, access_policies, service_tokens, dns_records } = state;
    expect({ access_apps, access_policies, service_tokens, dns_records }).toEqual({
      access_apps: [],
      access_policies: [],
      service_tokens: [],
      dns_records: [],
    });
    expect(state.identity_providers.map(({ type }) => type)).toEqual(["cloudflare"]);
    expect(state.origin_certificates.filter(({ revoked_at }) => revoked_at === null)).toEqual([]);
    expect(state.zones[0]?.origin_pulls).toMatchObject({ hostname_certificates: [], hostnames: [] });
  });

  test("destroy gives the host back its firewall, which was off", async () => {
    const { code, stdout } = await world.sandbox.ssh(["ufw", "status"]);
    expect(code).toBe(0);
    expect(stdout).toBe("Status: inactive\n");
    const site = await world.sandbox.ssh(["sh", "-c", "'ls /etc/immich-access /etc/nginx/immich-access 2>/dev/null'"]);
    expect(site.stdout.trim()).toBe("");
  });

  test("an up after destroy brings the site back", async () => {
    await world.deployment.configure({ hostname: SITE });
    await world.deployment.up();
    outputs = await world.deployment.outputs<Outputs>();
    secrets.learnDevices(outputs);
    await secrets.learnKeys();
    const probes = await runProbes(world.sandbox, SITE, device("annas-phone"));
    expect(probes.filter(({ ok }) => !ok)).toEqual([]);
  });
});

describe("secrets", () => {
  test("no secret appears in what is printed or logged, in arguments, variables or files that others may read", async () => {
    for (const [name, value] of await logIn(world, "anna@example.com")) secrets.learn(`cookie ${name}`, value);
    expect(await secrets.leaks()).toEqual([]);
    // API token, SSH key, passphrase; three generations of three keys in three forms; five secrets of devices; cookies.
    expect(secrets.known.size).toBe(3 + 27 + 5 + 4);
  });

  test("the search for secrets finds one in each of these places", async () => {
    const name = "client secret of annas-phone";
    const planted = await plant(world, name, secrets.known.get(name) ?? "");
    expect(await secrets.leaks()).toEqual(expect.arrayContaining(planted));
  });
});
