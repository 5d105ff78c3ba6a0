// In which order vitest takes this project's test files, and how it divides them.
import { join, relative, sep } from "node:path";
import { expect, it } from "vitest";
import { createVitest } from "vitest/node";

const project = join(import.meta.dirname, "../..");

const openVitest = (shard?: string) =>
  createVitest({ root: project, watch: false, reporters: [], ...(shard !== undefined && { shard }) });

/** The files that one shard of four runs. */
async function filesOf(index: number): Promise<string[]> {
  const vitest = await openVitest(`${index.toString()}/4`);
  try {
    const Sequencer = vitest.config.sequence.sequencer;
    const files = await new Sequencer(vitest).shard(await vitest.globTestSpecifications());
    return files.map(({ moduleId }) => relative(project, moduleId));
  } finally {
    await vitest.close();
  }
}

it("every slow test file belongs to one shard, and every quick one to all", async () => {
  const shards = await Promise.all([1, 2, 3, 4].map(filesOf));
  const vitest = await openVitest();
  const all = (await vitest.globTestSpecifications()).map(({ moduleId }) => relative(project, moduleId));
  await vitest.close();
  const times = all.map((file) => [file, shards.filter((files) => files.includes(file)).length] as const);
  const slow = /^test\/(?!unit|mutations|support)/;
  expect(times.filter(([file, shards]) => shards !== (slow.test(file) ? 1 : 4))).toEqual([]);
  const lengths = shards.map(({ length }) => length);
  expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
});

it("the slowest test files begin first, after the unit tests", async () => {
  const vitest = await openVitest();
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
      "acceptance",
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
