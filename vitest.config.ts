import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/sequencer.ts";

/** A busy machine takes more than the usual second to start a program. */
const PATIENCE = { poll: { timeout: 20_000 } };

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "dev/*/test/**/*.test.ts"],
          sequence: { groupOrder: 0 },
          // Machines with two cores run this, and the engines of a later group want both.
          maxWorkers: 2,
          testTimeout: 30_000,
          expect: PATIENCE,
        },
      },
      {
        test: {
          name: "system",
          include: ["test/{cli,conformance,e2e,faults,host,upgrades}/**/*.test.ts"],
          sequence: { groupOrder: 1 },
          // Each of these has a whole host, an edge and an engine to itself, and waits for them now and then.
          maxWorkers: Number(process.env["SYSTEM_TEST_WORKERS"] ?? 2),
          testTimeout: 300_000,
          hookTimeout: 300_000,
          expect: PATIENCE,
        },
      },
    ],
  },
});
