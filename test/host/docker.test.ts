// Real Docker with the stock compose file; `npm run test:homes` has every other way.
import { expect, test } from "vitest";
import { CASES } from "../homes/support/homes.ts";
import { wrongWith } from "../homes/support/table.ts";
import { trial } from "../homes/support/trial.ts";
import { prepareTestHosts } from "../support/host.ts";

const PATIENCE_MS = 900_000;
const STOCK = "stock, before";

// Here and not in a hook, because it may take longer than a hook should on a machine that has not got it yet.
await prepareTestHosts({ engine: "docker" });

test.each(CASES.filter(({ name }) => name === STOCK))(
  "nobody gets past nginx, and the host stays its owner's: $name",
  { timeout: PATIENCE_MS },
  async (one) => {
    const result = await trial(one);
    // Docker before 28 lets neighbours in on every way there is, so there is something to shut.
    expect(result.before.length).toBeGreaterThan(3);
    expect(wrongWith(result)).toEqual([]);
  },
);
