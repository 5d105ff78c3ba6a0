// SSH logins that succeed without running the step: a key with a forced command, or an exit in a login script. No step
// counts without its own answer.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Outputs, SITE, startWorld, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const onHost = async (script: string): Promise<string> =>
  (await world.sandbox.runOnHost(["sh", "-c", script])).stdout.trim();

/** What a deployment has made at Cloudflare that visitors could notice, and on the host. */
async function made(): Promise<object> {
  const { dns_records: records, access_apps: applications } = await world.api.state();
  const site = await onHost(`ls /etc/nginx/sites-enabled /etc/immich-access 2>/dev/null | grep -c '${SITE}' || true`);
  return { records: records.length, applications: applications.length, site };
}

const NOTHING = { records: 0, applications: 0, site: "0" };

const KEYS = "/root/.ssh/authorized_keys";

test("a forced command in place of the first step stops up before it creates anything, and is named with the remedy", async () => {
  await onHost(`cp -p ${KEYS} /root/keys && sed -i 's/^/command="echo Please login as the user admin" /' ${KEYS}`);
  // The line begins with our own words, and not with the SDK's about a property that it cannot serialize.
  await expect(world.deployment.up()).rejects.toThrow(
    /^ *error: root@[\d.]+:22: the login has ended well, but the step firewall has not run: it has printed "Please login as the user admin" in place of its answer/m,
  );
  expect(await made()).toEqual(NOTHING);
  await onHost(`mv /root/keys ${KEYS}`);
  // The engine has the step in its state, so it runs it again for another revision only.
  await expect(world.deployment.up()).rejects.toThrow("pulumi config set hostRevision 1 && pulumi up");
  expect(await made()).toEqual(NOTHING);
});

test("a login script that exits stops up, and up runs again once it is gone", async () => {
  await onHost(
    "touch /root/.bashrc; cp -p /root/.bashrc /root/bashrc; echo 'case $- in *i*) ;; *) exit;; esac' >/root/.bashrc",
  );
  await world.deployment.configure({ hostRevision: 1 });
  await expect(world.deployment.up()).rejects.toThrow("the step firewall has not run: it has printed nothing");
  expect(await made()).toEqual(NOTHING);
  await onHost("mv /root/bashrc /root/.bashrc");
  await world.deployment.configure({ hostRevision: 2 });
  await world.deployment.up();
  const { devices } = await world.deployment.outputs<Outputs>();
  expect((await world.visit("/api/server/ping", devices["annas-phone"])).status).toBe(200);
  const again = await world.deployment.up();
  expect(again.steps).toEqual([]);
});

test("without the last step's answer up creates no DNS records", async () => {
  await world.deployment.destroy();
  // Runs every step but nginx's.
  const script = 'case "$SSH_ORIGINAL_COMMAND" in *" nginx") echo done ;; *) eval "$SSH_ORIGINAL_COMMAND" ;; esac';
  await world.sandbox.runOnHost(["sh", "-c", "cat >/root/forced; chmod 755 /root/forced"], {
    input: `#!/bin/sh\n${script}\n`,
  });
  await onHost(`cp -p ${KEYS} /root/keys && sed -i 's|^|command="/root/forced" |' ${KEYS}`);
  await expect(world.deployment.up()).rejects.toThrow("the step nginx has not run");
  expect(await made()).toMatchObject({ records: 0 });
  await onHost(`mv /root/keys ${KEYS}`);
  await world.deployment.configure({ hostRevision: 3 });
  await world.deployment.up();
  expect(await made()).toMatchObject({ records: 2, applications: 1 });
});
