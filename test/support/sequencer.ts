import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Folders whose tests wait for a host most of the time; the others keep an engine busy. */
const WAITING = /\/test\/host\//;

/**
 * Runs the two kinds of system tests by turns, so that whatever number of workers there is, some wait while others
 * compute.
 */
export class ByTurns extends BaseSequencer {
  public override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const kinds = [false, true].map((waits) => sorted.filter(({ moduleId }) => WAITING.test(moduleId) === waits));
    const rounds = Math.max(...kinds.map(({ length }) => length));
    return Array.from({ length: rounds }, (_, round) => kinds.flatMap((kind) => kind.slice(round, round + 1))).flat();
  }
}
