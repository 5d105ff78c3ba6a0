import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Folders of tests from the one whose files take longest: one that begins last keeps everybody waiting at the end. */
const FOLDERS = ["faults", "e2e", "cli", "upgrades", "conformance", "host"];

const rank = ({ moduleId }: TestSpecification) => FOLDERS.findIndex((folder) => moduleId.includes(`/test/${folder}/`));

/** Runs the files in that order, and those of a folder from the largest. */
export class LongestFirst extends BaseSequencer {
  public override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}
