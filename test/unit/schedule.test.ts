// In which order vitest takes this project's test files.
import { join, relative, sep } from "node:path";
import { expect, it } from "vitest";
import { createVitest } from "vitest/node";

const project = join(import.meta.dirname, "../..");

it("the slowest test files begin first, after the unit tests", async () => {
  const vitest = await createVitest({ root: project, watch: false, reporters: [] });
  try {
    const Sequencer = vitest.config.sequence.sequencer;
    const sorted = await new Sequencer(vitest).sort(await vitest.globTestSpecifications());
    const system = sorted.filter((file) => file.project.name !== "unit");
    const folders = system.map(({ moduleId }) => relative(project, moduleId).split(sep)[1]);
    expect(folders.filter((folder, index) => folder !== folders[index - 1])).toEqual([
      "faults",
      "e2e",
      "cli",
      "upgrades",
      "conformance",
      "homes",
      "host",
    ]);
    // All run side by side, so they need the same number of workers, whatever that is here.
    const workers = new Set(system.map((file) => file.project.config.maxWorkers));
    expect(workers.size).toBe(1);
    const orders = sorted.map((file) => file.project.config.sequence.groupOrder);
    expect(Math.max(...orders)).toBe(1);
    expect(sorted.length - system.length).toBeGreaterThan(0);
  } finally {
    await vitest.close();
  }
});
