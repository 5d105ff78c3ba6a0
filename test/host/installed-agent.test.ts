import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { agentCommand, agentModules, packModules } from "../../components/origin-host/agent.ts";
import { startTestHost, stepInput, type TestHost } from "../support/host.ts";
import { LINE, PAYLOAD } from "./firewall-support.ts";

const FOLDER = "/usr/local/lib/immich-access";
const REMEDY = "have the firewall step install it again: pulumi config set hostRevision 8 && pulumi up";
const SITE = { hostname: PAYLOAD.hostname };

let host: TestHost;
beforeAll(async () => {
  host = await startTestHost();
});
afterAll(() => host.close());

/** A step that applies something, and one that deletes it, neither of which brings an agent. */
const apply = (archive?: string) => host.step("former-port-close", { after: "rules" }, { source: "host", archive });
const remove = () => host.step("site-remove", SITE, { source: "host, any version" });

/** An agent of another version, which says so when it closes a former port or removes a site. */
function anotherVersion(name: string): string {
  const modules = agentModules();
  const removal = modules["agent/removal.py"] ?? "";
  return packModules({
    ...modules,
    "agent/removal.py": removal
      .replace('"no former port was open"', `"no former port was open to ${name}"`)
      .replace('f"{site} is not on this host"', `f"{site} is gone, says ${name}"`),
  });
}

describe("before the firewall step", () => {
  test("a step that brings no agent fails with the remedy", async () => {
    const { code, said } = await apply();
    expect(said).toMatch(new RegExp(`^immich-access: ${FOLDER}/agents/[0-9a-f]{16} is missing; ${REMEDY}\n$`));
    expect(code).toBe(1);
  });

  test("a removal has nothing to do on a host on which nothing of the program is", async () => {
    const input = stepInput("site-remove", SITE, { source: "host, any version" });
    const said = { code: 0, stderr: "immich-access: nothing of this program is on this host\n" };
    expect(await host.ssh(agentCommand("site-remove"), { input })).toMatchObject(said);
  });

  test("a removal fails where there is a site and no agent", async () => {
    await host.inside("mkdir -p /etc/nginx/immich-access");
    expect(await remove()).toMatchObject({ code: 1, said: `immich-access: ${FOLDER}/version is missing; ${REMEDY}\n` });
    await host.inside("rmdir /etc/nginx/immich-access");
  });
});

describe("after the firewall steps of two versions", () => {
  const [older, newer] = [anotherVersion("older"), anotherVersion("newer")];

  beforeAll(async () => {
    for (const archive of [older, newer])
      expect(await host.step("firewall", PAYLOAD, { archive })).toMatchObject({ code: 0, said: LINE(1) });
  });

  test("each step that applies something is run by its own version, whoever logs in", async () => {
    for (const [archive, name] of [
      [older, "older"],
      [newer, "newer"],
    ] as const)
      expect(await apply(archive)).toMatchObject({ code: 0, said: `no former port was open to ${name}\n` });
    const asDeploy = await host.step(
      "former-port-close",
      { after: "rules" },
      { source: "host", archive: older, user: "deploy" },
    );
    expect(asDeploy).toMatchObject({ code: 0, said: "no former port was open to older\n" });
  });

  test("a removal is run by the version that was installed last", async () => {
    expect(await remove()).toMatchObject({ code: 0, said: `${SITE.hostname} is gone, says newer\n` });
    await host.step("firewall", PAYLOAD, { archive: older });
    expect(await remove()).toMatchObject({ code: 0, said: `${SITE.hostname} is gone, says older\n` });
  });

  test("nobody but root can change them", async () => {
    const { stdout } = await host.inside(`find ${FOLDER} ! -user root -o -perm /022`);
    expect(stdout).toBe("");
  });

  test("a damaged one is named, and the firewall step mends it", async () => {
    await host.inside(`for agent in ${FOLDER}/agents/*; do truncate -s 1000 "$agent"; done`);
    const { code, said } = await apply(older);
    expect(said).toMatch(/\/agents\/[0-9a-f]{16} is damaged; have the/);
    expect(code).toBe(1);
    await host.inside(`truncate -s 0 ${FOLDER}/version`);
    const removal = await remove();
    expect(removal.said).toMatch(/^immich-access: \S+\/agents\/ is damaged; have the [^\n]*\n$/);
    await host.step("firewall", PAYLOAD, { archive: older });
    expect(await apply(older)).toMatchObject({ code: 0 });
    expect(await remove()).toMatchObject({ code: 0 });
  });

  test("a disk that is full while one is written leaves the former one in force, and says what to do", async () => {
    const third = anotherVersion("third");
    await host.inside(`mkdir -p /mnt/small && cp -a ${FOLDER}/. /mnt/small.copy`);
    await host.inside(
      `size=$(du -sk ${FOLDER} | cut -f1); mount -t tmpfs -o size=$((size + 40))k,mode=755 none ${FOLDER} && cp -a /mnt/small.copy/. ${FOLDER}`,
    );
    const full = await host.step("firewall", PAYLOAD, { archive: third });
    expect(full.said).toMatch(/No space left on device.*; free some space and run `pulumi up` again\n$/);
    expect(await apply(older)).toMatchObject({ code: 0, said: "no former port was open to older\n" });
    expect(await remove()).toMatchObject({ code: 0, said: `${SITE.hostname} is gone, says older\n` });
    await host.inside(`umount ${FOLDER}`);
    expect(await host.step("firewall", PAYLOAD, { archive: third })).toMatchObject({ code: 0 });
  });

  test("the last stack's removal takes them along", async () => {
    expect(await host.step("firewall-remove", PAYLOAD)).toMatchObject({ code: 0 });
    expect((await host.inside(`ls ${FOLDER}`)).code).not.toBe(0);
  });
});
