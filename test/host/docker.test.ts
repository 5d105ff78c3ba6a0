// Real Docker, in the ways that tell most; `npm run test:homes` has all of them.
import { expect, test } from "vitest";
import { CASES } from "../homes/support/homes.ts";
import { trial } from "../homes/support/trial.ts";

const PATIENCE_MS = 600_000;

const named = (name: string) => CASES.filter((one) => one.name === name);

test.each(["stock, before", "ip6tables, userland-proxy off, after"].flatMap(named))(
  "nobody gets past nginx, and all else works: $name",
  { timeout: PATIENCE_MS },
  async (one) => {
    const { before, back, lost, answers, refused } = await trial(one);
    expect({ refused, lost, answers, back }).toEqual({ refused: undefined, lost: [], answers: [], back: before });
  },
);
