// A few of the faults, by chance, in each run of the tests; `npm run test:faults` lets all of them happen.

import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Fault, faultsOf } from "./support/faults.ts";
import { Laboratory } from "./support/laboratory.ts";
import { OPERATIONS } from "./support/operations.ts";
import { trial } from "./support/trial.ts";

/** How many; each takes 20 to 40 s, and more on a busy machine. */
const SAMPLE = 2;
const PATIENCE_MS = 600_000;

let laboratory: Laboratory;
let faults: Fault[];

beforeAll(async () => {
  const operation = OPERATIONS[randomInt(OPERATIONS.length)] ?? "up";
  laboratory = await Laboratory.open([operation]);
  const left = faultsOf(operation, laboratory.reference(operation));
  faults = Array.from({ length: SAMPLE }, () => left.splice(randomInt(left.length), 1)).flat();
}, PATIENCE_MS);
afterAll(() => laboratory.close());

test("no fault exposes anything, blocks SSH, or needs repair by hand", { timeout: PATIENCE_MS }, async () => {
  const outcomes: Record<string, string[]> = {};
  for (const fault of faults) outcomes[fault.name] = (await trial(laboratory, fault)).broken;
  // Each can be repeated by its name: npm run test:faults -- NAME
  expect(outcomes).toEqual(Object.fromEntries(faults.map(({ name }) => [name, []])));
});
