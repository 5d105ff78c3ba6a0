// Podman as root, with netavark: it has no daemon, and writes its rules whenever a container starts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWebServer } from "../homes/support/bystander.ts";
import { IMAGE, IMMICH, INTERNET, INTERNET_PORT, makeImage, serving } from "../homes/support/docker.ts";
import { openNow, watch, type Way, waysTo } from "../homes/support/watch.ts";
import { prepareTestHosts, startTestHost, type TestHost } from "../support/host.ts";
import { PAYLOAD } from "./firewall-support.ts";

// Here and not in a hook, because it may take longer than a hook should on a machine that has not got it yet.
await prepareTestHosts({ engine: "podman" });

let host: TestHost;
let ways: Way[];
let stopServing: () => void;

/** Ends what hangs; on a busy machine ufw alone takes minutes. */
const PATIENCE_MS = 300_000;
const PING = "curl -sf -m 10 http://127.0.0.1:2283/api/server/ping";

async function sh(command: string): Promise<string> {
  const { code, stdout, stderr } = await host.inside(command, { timeout: PATIENCE_MS });
  if (code !== 0) throw new Error(`${command}: ${stderr || code}`);
  return stdout.trim();
}

/**
 * Starts Immich's container anew, which gets the next address. Without a control group of its own: crun wants more locked
 * memory for one than a sandbox may have.
 */
async function run(): Promise<void> {
  await sh(
    `podman rm -f -t 0 ${IMMICH.name} 2>/dev/null; podman run -d --cgroups disabled --name ${IMMICH.name} -p 2283:2283 ${IMAGE} ${serving(2283)}`,
  );
  await sh(`until ${PING}; do sleep 0.1; done`);
}

/** Whether the container gets to the internet. */
const isOnline = () =>
  sh(
    `nsenter -t $(podman inspect -f '{{.State.Pid}}' ${IMMICH.name}) -n curl -sf -m 10 -o /dev/null ${INTERNET} && echo yes`,
  );

beforeAll(async () => {
  host = await startTestHost({ engine: "podman", lan: true });
  stopServing = await startWebServer(host, INTERNET_PORT);
  await sh(makeImage("podman"));
  await run();
  const containers = Array.from({ length: 5 }, (_, index) => `10.88.0.${1 + index}`);
  ways = await waysTo(host, { ports: [2283], containers });
});
afterAll(async () => {
  stopServing();
  await host.close();
});

test("what Podman publishes is shut to strangers and neighbours, and open to the host", async () => {
  expect(await openNow(host, ways)).toEqual(
    expect.arrayContaining(["stranger 198.51.100.10:2283", "neighbour, straight to a container, ipv4"]),
  );
  expect(await sh("podman info -f '{{.Host.NetworkBackend}}'")).toBe("netavark");
  expect((await host.step("firewall", PAYLOAD)).code).toBe(0);
  expect(await openNow(host, ways)).toEqual([]);
  expect(await sh(PING)).toBe('{"res":"pong"}');
  expect(await isOnline()).toBe("yes");
});

test(
  "it stays shut while the container gets another address, and ufw and Podman load their rules anew",
  { timeout: 3 * PATIENCE_MS },
  async () => {
    const stop = await watch(host, ways);
    await run();
    await sh("ufw reload && podman network reload --all");
    await sh("ufw disable && ufw --force enable && podman network reload --all");
    expect((await stop()).answers).toEqual({});
    expect(await sh(PING)).toBe('{"res":"pong"}');
  },
);

test("it stays shut through a reboot", async () => {
  const stop = await watch(host, ways);
  await host.reboot();
  await run();
  expect((await stop()).answers).toEqual({});
  expect(await isOnline()).toBe("yes");
});

test("the removal gives it back, once ufw is off again, which lets nobody in to Podman's containers", async () => {
  expect((await host.step("firewall-remove", PAYLOAD)).code).toBe(0);
  await sh("ufw disable");
  expect(await openNow(host, ways)).toContain("stranger 198.51.100.10:2283");
});
