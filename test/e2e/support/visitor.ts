import type { Outcome } from "./deployment.ts";
import type { Outputs, World } from "./world.ts";

/** What a device got while an operation ran. */
export interface Visited {
  outcome: Outcome;
  visits: number;
  /** The statuses of all visits that did not end with 200. */
  bad: number[];
}

/** Runs an operation while a device visits the site, one visit after the other. */
export async function whileVisited(world: World, operation: () => Promise<Outcome>): Promise<Visited> {
  const { devices } = await world.deployment.outputs<Outputs>();
  const bad: number[] = [];
  let [visits, done] = [0, false];
  const visitor = (async () => {
    while (!done) {
      const { status } = await world.visit("/api/server/ping", devices["annas-phone"]);
      visits += 1;
      if (status !== 200) bad.push(status);
    }
  })();
  const outcome = await operation().finally(() => {
    done = true;
  });
  await visitor;
  return { outcome, visits, bad };
}
