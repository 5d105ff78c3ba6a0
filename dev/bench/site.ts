// A deployed site, for all that is measured on one.

import type { Outcome } from "../../test/e2e/support/deployment.ts";
import { startWorld, type World } from "../../test/e2e/support/world.ts";

/** What an operation took. */
export interface Cost {
  seconds: number;
  /** Requests to the Cloudflare API. */
  requests: number;
  /** SSH connections that the host accepted. */
  connections: number;
}

/** A site, and what it took to put it on line. */
export interface Site {
  world: World;
  first: Cost;
}

/** Deploys the dev stack's site in a sandbox of its own. */
export async function deployedSite(): Promise<Site> {
  // The engine starts its plugins itself, as it does for everyone.
  const world = await startWorld(false);
  try {
    return { world, first: await cost(world, () => world.deployment.up()) };
  } catch (error) {
    await world.close();
    throw error;
  }
}

/** Measures an operation. */
export async function cost(world: World, operation: () => Promise<Outcome>): Promise<Cost> {
  const [since, accepted] = [(await world.api.requests()).at(-1)?.id ?? 0, await connections(world)];
  const began = performance.now();
  await operation();
  const seconds = (performance.now() - began) / 1000;
  const requests = (await world.api.requests(since)).length;
  return { seconds, requests, connections: (await connections(world)) - accepted };
}

async function connections({ sandbox }: World): Promise<number> {
  const { code, stdout, stderr } = await sandbox.runOnHost(["journalctl", "-q", "-o", "cat", "-u", "ssh"]);
  if (code !== 0) throw new Error(`the host's journal cannot be read: ${stderr}`);
  return stdout.split("\n").filter((text) => text.startsWith("Accepted ")).length;
}
