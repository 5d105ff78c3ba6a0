// Which test file begins when, how many run at a time, and which shard has which.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join, relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** vitest's group of the tests that have a host or an engine: after the unit tests, which are group 0. */
export const SYSTEM_GROUP = 1;
/** How many of their files run at a time, unless the machine is quick. */
export const SYSTEM_WORKERS = 2;
/** On a quick machine four take two thirds of the time that two take; on one that needs three times as long, more. */
const QUICK_WORKERS = 4;
/** A quick machine is done with `trial` within this time: then it is done with the unit tests in some 35 s. */
const QUICK_MS = 500;

const project = join(import.meta.dirname, "../..");

/** Folders of tests from the one whose files take longest: one that begins last keeps everybody waiting at the end. */
const FOLDERS = ["faults", "e2e", "cli", "upgrades", "conformance", "acceptance", "homes", "host"].map((name) =>
  join("test", name, "/"),
);

const rank = ({ moduleId }: TestSpecification) =>
  FOLDERS.findIndex((folder) => relative(project, moduleId).startsWith(folder));

const size = ({ moduleId }: TestSpecification) => statSync(moduleId).size;

/** Runs the files in that order, and those of a folder from the largest. */
export class Schedule extends BaseSequencer {
  /**
   * Deals the files of these folders out to the shards, in an order that is the same on each machine; all other files,
   * which are done sooner, belong to every shard.
   */
  public override shard(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { index, count } = this.ctx.config.shard ?? { index: 1, count: 1 };
    const quick = files.filter((file) => rank(file) < 0);
    const slow = files
      .filter((file) => rank(file) >= 0)
      .sort(
        (one, other) =>
          rank(one) - rank(other) || size(other) - size(one) || one.moduleId.localeCompare(other.moduleId),
      );
    return Promise.resolve([...quick, ...slow.filter((_, place) => place % count === index - 1)]);
  }

  public override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const system = files.filter((file) => file.project.config.sequence.groupOrder === SYSTEM_GROUP);
    if (system.length > SYSTEM_WORKERS && (await isQuick())) {
      for (const { project } of system) project.config.maxWorkers = QUICK_WORKERS;
    }
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

/** The better of two trials: the first one may read from the disk. */
async function isQuick(): Promise<boolean> {
  return Math.min(await trial(), await trial()) < QUICK_MS;
}

/** Milliseconds for what the tests do all the time: two processes at a time load a large program. */
async function trial(): Promise<number> {
  const started = performance.now();
  const load = async () => {
    const options = { cwd: project, stdio: "ignore" } as const;
    await once(spawn(process.execPath, ["--eval", 'require("typescript")'], options), "exit");
  };
  await Promise.all([load(), load()]);
  return performance.now() - started;
}
