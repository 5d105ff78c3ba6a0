import { runProbes } from "../../../dev/commands/probes.ts";
import { failures, startProber } from "../../e2e/support/prober.ts";
import { type Outputs, SITE } from "../../e2e/support/world.ts";
import type { Fault } from "./faults.ts";
import { differences, fingerprint } from "./fingerprint.ts";
import type { Laboratory } from "./laboratory.ts";
import { online, perform } from "./operations.ts";

/** The result of a fault. */
export interface Result {
  /** Promises that it broke, one line each; none if all held. */
  broken: string[];
  /** Whether the operation came through by itself, so that nothing had to be run again. */
  survived: boolean;
  seconds: number;
}

/**
 * Lets one fault happen and does what a person would: run the same command again. Strangers try to reach Immich all the time.
 * In the end everything has to be as if nothing had happened.
 */
export async function trial(laboratory: Laboratory, fault: Fault): Promise<Result> {
  const { world } = laboratory;
  const { operation } = fault;
  const began = Date.now();
  await laboratory.ready(operation);
  const broken: string[] = [];
  const tried = async (what: string, work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      broken.push(`${what}: ${reason(error)}`);
      return false;
    }
  };

  const prober = startProber(world.sandbox, SITE);
  const armed = await fault.arm(laboratory);
  const survived = await perform(world, operation).then(
    () => true,
    () => false,
  );
  await tried("the fault", () => armed.end());
  if (fault.killsEngine) await tried("pulumi cancel", () => world.deployment.stack.cancel());
  if (!survived) await tried("run again", () => perform(world, operation, fault.needsRefresh));
  await tried("the strangers", async () => {
    const found = failures(await prober.stop());
    broken.push(...(fault.reboots ? found.filter((line) => !line.startsWith("SSH")) : found));
  });

  await tried("the comparison", async () => {
    broken.push(...differences(laboratory.reference(operation).fingerprint, await fingerprint(world)));
  });
  await tried("SSH", async () => {
    const { code, stderr } = await world.sandbox.ssh(["true"]);
    if (code !== 0) throw new Error(stderr);
  });
  if (online(operation)) {
    await tried("the site", async () => {
      const { devices } = await world.deployment.outputs<Outputs>();
      const wrong = (await runProbes(world.sandbox, SITE, devices["annas-phone"])).filter(({ ok }) => !ok);
      broken.push(...wrong.map(({ what, answer }) => `${what}: ${answer}`));
    });
  }
  return { broken, survived, seconds: (Date.now() - began) / 1000 };
}

/** What the engine said at its end, which an error of the Automation API has among much else. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split("\n").filter((line) => /error|failed|refus/i.test(line));
  return [...new Set(lines.map((line) => line.trim()))].slice(-6).join(" | ") || text.slice(0, 500);
}
