// One of the homes, by chance, in each run of the tests; `npm run test:homes` goes to all of them.

import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { prepareTestHosts } from "../support/host.ts";
import { ReleaseUnavailable } from "../../dev/sandbox/host/layer.ts";
import { CASES } from "./support/homes.ts";
import { wrongWith } from "./support/table.ts";
import { trial } from "./support/trial.ts";

const PATIENCE_MS = 900_000;

const chosen = CASES[randomInt(CASES.length)];
if (chosen === undefined) throw new Error("there is no case");

// Here and not in the test, because it may take longer than a test should on a machine that has not got it yet.
const missing = await prepareTestHosts({ release: chosen.home.release, engine: "docker" }).then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof ReleaseUnavailable) return error.message;
    throw error;
  },
);
if (missing !== undefined) console.error(`The test of ${chosen.name} is skipped: ${missing}`);

test.skipIf(missing !== undefined)(
  `nobody gets past nginx, and the host stays its owner's: npm run test:homes -- "${chosen.name}"`,
  { timeout: PATIENCE_MS },
  async () => {
    expect(wrongWith(await trial(chosen))).toEqual([]);
  },
);
