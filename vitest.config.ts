import { defineConfig } from "vitest/config";
import { Schedule, SYSTEM_GROUP, SYSTEM_WORKERS } from "./test/support/schedule.ts";

/** A busy machine takes more than the usual second to start a program. */
const PATIENCE = { poll: { timeout: 20_000 } };

const PYTHON = "test/support/setup/python.ts";
const ENGINE = "test/support/setup/engine.ts";

/** Each of these has a whole host, an edge or an engine to itself, and waits for them now and then. */
const SYSTEM = {
  sequence: { groupOrder: SYSTEM_GROUP },
  maxWorkers: SYSTEM_WORKERS,
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: PATIENCE,
};

export default defineConfig({
  test: {
    sequence: { sequencer: Schedule },
    reporters: ["default", "./test/support/closing-line.ts"],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "dev/*/test/**/*.test.ts", "test/mutations/**/*.test.ts"],
          globalSetup: [PYTHON],
          sequence: { groupOrder: 0 },
          // Machines with two cores run this, and the engines of a later group want both.
          maxWorkers: 2,
          // They end what hangs: a test takes a second, and many times that on a busy machine.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: PATIENCE,
        },
      },
      {
        // On a real host or a whole sandbox, without the engine.
        test: {
          ...SYSTEM,
          name: "host",
          include: ["test/{acceptance,host,homes}/**/*.test.ts"],
          globalSetup: [PYTHON],
        },
      },
      {
        test: {
          ...SYSTEM,
          name: "engine",
          include: ["test/{cli,conformance,e2e,faults,upgrades}/**/*.test.ts"],
          globalSetup: [PYTHON, ENGINE],
        },
      },
    ],
  },
});
