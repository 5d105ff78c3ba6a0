// A random few of the faults that `npm run test:faults` lets happen one after the other.

import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Fault, faultsOf } from "../faults/support/faults.ts";
import { Laboratory } from "../faults/support/laboratory.ts";
import { OPERATIONS } from "../faults/support/operations.ts";
import { trial } from "../faults/support/trial.ts";

/** Chooses the faults; set it to that of a run that failed to repeat it. */
const seed = process.env.FAULTS_SEED ?? randomUUID().slice(0, 8);

function pick<T>(list: readonly T[], purpose: string): T {
  const number = createHash("sha256").update(`${seed} ${purpose}`).digest().readUInt32BE();
  const picked = list[number % list.length];
  if (picked === undefined) throw new Error(`there is no ${purpose}`);
  return picked;
}

const operation = pick(OPERATIONS, "operation");
let laboratory: Laboratory;
let sample: Fault[];

beforeAll(async () => {
  laboratory = await Laboratory.open([operation]);
  const faults = faultsOf(operation, laboratory.reference(operation));
  const isRequest = ({ name }: Fault) => name.includes("/request ");
  const two = [
    pick(faults.filter(isRequest), "request"),
    pick(
      faults.filter((fault) => !isRequest(fault)),
      "step",
    ),
  ];
  // An `up` from nothing takes as long as both of the others together.
  sample = operation === "up" ? [pick(two, "fault")] : two;
});
afterAll(() => laboratory.close());

test(`after a fault the same command ends as if there had been none (FAULTS_SEED=${seed})`, async () => {
  for (const fault of sample) {
    console.log(`FAULTS_SEED=${seed}: ${fault.name}`);
    const { broken } = await trial(laboratory, fault);
    expect(broken, fault.name).toEqual([]);
  }
});
