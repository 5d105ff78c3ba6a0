import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHost, type TestHost } from "../support/host.ts";
import { PAYLOAD, withFullDisk } from "./firewall-support.ts";
import { installDocker } from "./support/docker.ts";
import { OPEN, SILENT, Surroundings } from "./support/guard.ts";

// A host on which version 0.1.0 has closed the published port by a rule in Docker's chain DOCKER-USER.

let host: TestHost;
let around: Surroundings;
beforeAll(async () => {
  host = await startTestHost();
  around = new Surroundings(host);
  await installDocker(host);
  await around.lead();
});
afterAll(() => host.close());

const UNIT = "immich-access-docker-user.service";

/** What version 0.1.0 has left: its rules, its unit, its agent's copy, and its records. */
async function install010(): Promise<void> {
  const rule =
    "DOCKER-USER -p tcp -m conntrack --ctstate DNAT --ctorigdstport 2283 --ctdir ORIGINAL " +
    "-m comment --comment 'immich-access: published port' -j DROP";
  await around.on(
    `for tool in iptables ip6tables; do $tool -I ${rule}; $tool -A DOCKER-USER -p tcp --dport 25 -j DROP; done`,
  );
  const unit =
    "[Unit]\nBefore=docker.service\n[Service]\nType=oneshot\nExecStart=/usr/bin/python3 /usr/local/lib/immich-access/agent firewall-docker-user\n" +
    "[Install]\nWantedBy=multi-user.target\nRequiredBy=docker.service\n";
  await host.inside(`cat >/etc/systemd/system/${UNIT}`, { input: unit });
  const agent = "import sys\nsys.exit(0 if sys.argv[1] == 'firewall-docker-user' else 1)\n";
  await host.inside("mkdir -p /usr/local/lib/immich-access/agent /var/lib/immich-access");
  await host.inside("cat >/usr/local/lib/immich-access/agent/__main__.py", { input: agent });
  const sites = { "photos.example.com": [22, 2283, 2283, "immich-access/test/zone/"] };
  await host.inside("cat >/var/lib/immich-access/firewall-sites.json", { input: JSON.stringify(sites) });
  await around.on(`systemctl daemon-reload; systemctl enable ${UNIT}; systemctl restart docker`);
}

const ours = async () => (await around.on("iptables -S; ip6tables -S")).match(/immich-access: published port/g) ?? [];

test("is closed by the rule at first, but not to neighbours", async () => {
  await install010();
  expect(await around.stranger()).toEqual(SILENT);
  expect(await ours()).toHaveLength(2);
});

test("an upgrade that fails half-way leaves it closed, and Docker able to start", async () => {
  const opened = await around.watched(() =>
    withFullDisk(host, "/var/lib/immich-access", 0, async () => {
      expect((await host.step("firewall", PAYLOAD)).said).toContain("No space left on device");
    }),
  );
  expect(opened).toBe("");
  expect((await host.inside("systemctl restart docker")).code).toBe(0);
  expect(await around.stranger()).toEqual(SILENT);
});

test("the upgrade takes rule and unit away once the guard is in force, without a restart of Docker", async () => {
  await install010();
  const started = () => around.on("systemctl show docker -p ActiveEnterTimestampMonotonic -p ActiveState");
  const before = await started();
  const opened = await around.watched(async () => {
    expect(await host.step("firewall", PAYLOAD)).toMatchObject({ code: 0 });
  });
  expect(opened).toBe("");
  expect(await started()).toBe(before);
  expect(await ours()).toEqual([]);
  // The owner's own rules in that chain stay.
  expect(await around.on("iptables -S DOCKER-USER")).toContain("-A DOCKER-USER -p tcp -m tcp --dport 25 -j DROP");
  expect((await host.inside(`ls /etc/systemd/system/${UNIT} /etc/systemd/system/*/${UNIT}`)).stdout).toBe("");
  // In the form that the agent of 0.1.0 reads, until the nginx step has ended
  expect(JSON.parse(await around.on("cat /var/lib/immich-access/firewall-sites.json"))).toEqual({
    "photos.example.com": [22, 2283, null, "immich-access/test/zone/"],
  });
  expect(await around.neighbourly()).toEqual([]);
  expect((await host.inside("systemctl restart docker")).code).toBe(0);
  expect(await around.stranger()).toEqual(SILENT);
});

test("a host of version 0.1.0 can be left without an upgrade", async () => {
  await install010();
  expect(await host.step("firewall-remove", PAYLOAD)).toMatchObject({ code: 0 });
  expect(await ours()).toEqual([]);
  expect((await host.inside("find /etc/systemd -name 'immich-access*'; systemctl restart docker")).stdout).toBe("");
  expect(await around.stranger()).toEqual(OPEN);
});
