// A zone whose names point to the host already: by a record of someone who followed the guide by hand, or by a
// wildcard. Without the token check, only the order keeps strangers out, and the wait for Access.

import { afterAll, beforeAll, expect, test } from "vitest";
import { DEV } from "../../dev/sandbox/api/world.ts";
import { ORIGIN } from "../../dev/sandbox/network/network.ts";
import { failures, reached, startProber } from "./support/prober.ts";
import { type Outputs, SITE, startWorld, type World } from "./support/world.ts";

const ALBUM = "album.home.localhost";
let world: World;

beforeAll(async () => {
  world = await startWorld();
  const now = new Date().toISOString();
  const wildcard = {
    id: "0123456789abcdef0123456789abcdef",
    zone_id: DEV.zone,
    name: "*.home.localhost",
    type: "A",
    content: ORIGIN.ipv4,
    proxied: true,
    ttl: 1,
    comment: null,
    tags: [],
    settings: {},
    created_on: now,
    modified_on: now,
  };
  await world.api.alter({ dns_records: [wildcard], options: { access_enforcement_ms: 90_000 } });
  await world.deployment.configure({ originJwtCheck: false });
});
afterAll(() => world.close());

/** What strangers get of a host name while the stack changes: how they got in, if they did. */
async function watched(hostname: string, change: () => Promise<{ steps: Parameters<typeof failures>[1] }>) {
  const prober = startProber(world.sandbox, hostname);
  const { steps } = await change();
  return failures(await prober.stop(), steps);
}

test("an up that fails before nginx and is destroyed leaves nothing on the host", async () => {
  await world.api.fault({ method: "POST", path: "/access/apps$", outcome: "status", times: 0 });
  await expect(world.deployment.up()).rejects.toThrow("Fault injected by the sandbox");
  await world.api.clearFaults();
  const left = "ls -A /etc/immich-access /var/lib/immich-access 2>/dev/null; ufw status | grep 443";
  const onHost = async () => (await world.sandbox.runOnHost(["sh", "-c", left])).stdout;
  expect(await onHost()).toContain(SITE);
  expect(await watched(SITE, () => world.deployment.destroy())).toEqual([]);
  expect(await onHost()).toBe("");
});

test("the first up serves nobody before Access protects the name", async () => {
  let output = "";
  const up = async () => {
    const outcome = await world.deployment.up();
    output = outcome.output;
    return outcome;
  };
  expect(await watched(SITE, up)).toEqual([]);
  expect(output).toContain("Access takes up to two minutes to stand in front of a new name");
  const { devices } = await world.deployment.outputs<Outputs>();
  expect((await world.visit("/api/server/ping", devices["annas-phone"])).status).toBe(200);
});

test("a site that joins and leaves alone is never open, and neither is the other", async () => {
  const moreSites = [
    { hostname: ALBUM, immichUpstream: "127.0.0.1:2283", emails: ["bert@example.com"], devices: ["berts-phone"] },
  ];
  for (const sites of [moreSites, []]) {
    await world.deployment.configure({ moreSites: sites });
    const prober = startProber(world.sandbox, SITE);
    expect(await watched(ALBUM, () => world.deployment.up())).toEqual([]);
    expect(reached(await prober.stop())).toEqual([]);
  }
});

test("destroy removes the site from the host before Access", async () => {
  expect(await watched(SITE, () => world.deployment.destroy())).toEqual([]);
});
