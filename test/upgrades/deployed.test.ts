import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Outcome } from "../e2e/support/deployment.ts";
import { failures, startProber } from "../e2e/support/prober.ts";
import { type Outputs, SITE } from "../e2e/support/world.ts";
import { differences, fingerprint, type Fingerprint } from "../faults/support/fingerprint.ts";
import { isDefaultProvider, isIntended } from "./changes.ts";
import type { State } from "./checkpoint.ts";
import { UpgradedStack } from "./deployed.ts";
import { programs } from "./program.ts";

/** Milliseconds that end what hangs, where several operations follow one another on a busy machine. */
const SEVERAL_OPERATIONS = 900_000;

/** Version 0.1.0 did not write down what ufw was before it, so a removal leaves ufw on, with SSH. */
const UNKNOWN = (version: string) => (version === "0.1.0" ? ["/var/lib/immich-access/firewall-original.json"] : []);
const LEFT_ON = (version: string) =>
  version === "0.1.0"
    ? ["/etc/ufw/ufw.conf", "/etc/ufw/user.rules", "/etc/ufw/user6.rules", "IPv4 rules", "IPv6 rules"]
    : [];

const names = (wanted: Fingerprint, found: Fingerprint) =>
  differences(wanted, found).map((line) => line.split(": ")[0] ?? line);

/** What the engine says of a step that `whileFailing` has failed. */
const FAILED = "Process exited with status 1";

// This program upgrades a stack that a released version deployed, with that version's own agent on a real host.

describe.each(programs())("a stack that %s has deployed", (version) => {
  let stack: UpgradedStack;
  /** What this program leaves when it deploys the stack itself, and when it destroys it. */
  let fresh: Fingerprint, gone: Fingerprint;
  let outputs: Outputs;

  beforeAll(async () => {
    stack = await UpgradedStack.start(version);
    stack.useThis();
    // Nothing is shut here without the owner's word; 0.1.0 did not ask.
    await stack.deployment.configure({ closeOthers: true });
    await stack.deployment.up();
    fresh = await fingerprint(stack.world);
    await stack.deployment.destroy();
    gone = await fingerprint(stack.world);
    await stack.deployment.removeSetting("closeOthers");
  }, SEVERAL_OPERATIONS);
  afterAll(() => stack.close());

  /** Runs an operation while strangers try to reach Immich. */
  async function watched(operation: () => Promise<Outcome>): Promise<Outcome> {
    const prober = startProber(stack.world.sandbox, SITE);
    const [ended] = await Promise.allSettled([operation()]);
    const steps = ended.status === "fulfilled" ? ended.value.steps : [];
    expect(failures(await prober.stop(), steps)).toEqual([]);
    if (ended.status === "rejected") throw ended.reason;
    return ended.value;
  }

  async function deployReleased(): Promise<void> {
    stack.useReleased();
    await stack.deployment.up();
    stack.useThis();
  }

  const pinged = async () => (await stack.world.visit("/api/server/ping", outputs.devices["annas-phone"])).status;

  test(`the stack of ${version} is the recorded one, and online`, async () => {
    await deployReleased();
    const urns = ({ deployment }: State) =>
      deployment.resources.map(({ urn }) => urn).filter((urn) => !isDefaultProvider(urn));
    expect(urns(await stack.state()).sort()).toEqual(urns(stack.checkpoint.state).sort());
    outputs = await stack.deployment.outputs<Outputs>();
    expect(await pinged()).toBe(200);
    // It is the version's own agent that has been at work.
    expect(differences(fresh, await fingerprint(stack.world))).not.toEqual([]);
  });

  test(`one up upgrades a stack of ${version}, and nobody bypasses Access meanwhile`, async () => {
    const { steps } = await watched(() => stack.deployment.up());
    const changes = steps.filter(
      ({ op, type, name }) =>
        !(op === "update" && type === "command:remote:Command") && !isIntended({ op, urn: `::${type}::${name}` }),
    );
    expect(changes).toEqual([]);
    expect(steps.map(({ name }) => name)).toContain("nginx-command");
    expect(await stack.deployment.outputs<Outputs>()).toEqual(outputs);
    expect(await pinged()).toBe(200);
  });

  test(`an upgraded stack of ${version} is as if this program had deployed it`, async () => {
    expect(names(fresh, await fingerprint(stack.world))).toEqual(UNKNOWN(version));
  });

  test(`a second up changes nothing of an upgraded stack of ${version}`, async () => {
    const { steps } = await stack.deployment.up();
    expect(steps).toEqual([]);
  });

  test(`an upgraded stack of ${version} is destroyed completely, and nobody bypasses Access meanwhile`, async () => {
    await watched(() => stack.deployment.destroy());
    const found = await fingerprint(stack.world);
    expect(names(gone, found)).toEqual(LEFT_ON(version));
    const allowed = (await stack.onHost("ufw status")).split("\n").filter((line) => line.includes("ALLOW"));
    expect(new Set(allowed.map((line) => line.split(" ")[0]))).toEqual(
      new Set(LEFT_ON(version).length ? ["22/tcp"] : []),
    );
    expect(Object.keys(found).filter((name) => name.includes("immich-access"))).toEqual([]);
    const { access_apps, access_policies, service_tokens, dns_records } = await stack.world.api.state();
    expect([access_apps, access_policies, service_tokens, dns_records]).toEqual([[], [], [], []]);
  });

  test(`a stack of ${version} is destroyed completely after an upgrade that failed behind the firewall`, async () => {
    await deployReleased();
    await stack.whileFailing("certificates", "none", async () => {
      await expect(watched(() => stack.deployment.up())).rejects.toThrow(FAILED);
    });
    await watched(() => stack.deployment.destroy());
    expect(names(gone, await fingerprint(stack.world))).toEqual(LEFT_ON(version));
  });

  test(
    `a stack of ${version} is destroyed after an upgrade whose first step got no answer, and can be deployed again`,
    async () => {
      await deployReleased();
      await stack.whileFailing("firewall", "all", async () => {
        await expect(watched(() => stack.deployment.up())).rejects.toThrow(FAILED);
      });
      // The agent that deletes is the old one, which leaves what it does not know.
      await watched(() => stack.deployment.destroy());
      await stack.deployment.up();
      expect(names(fresh, await fingerprint(stack.world))).toEqual(UNKNOWN(version));
      await stack.deployment.destroy();
      expect(names(gone, await fingerprint(stack.world))).toEqual(LEFT_ON(version));
    },
    SEVERAL_OPERATIONS,
  );
});
