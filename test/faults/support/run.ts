import { projectDir, stateDir, UsageError } from "../../../dev/commands/terminal.ts";
import { resolveToolchain } from "../../../dev/toolchain/index.ts";
import { installPython } from "../../support/python.ts";
import { faultsOf } from "./faults.ts";
import { Laboratory } from "./laboratory.ts";
import type { Operation } from "./operations.ts";
import { trial } from "./trial.ts";

export interface Choice {
  operations: readonly Operation[];
  /** Only faults with one of these in their name. None: all of them. */
  texts: readonly string[];
  /** Whether to show their names only. */
  list: boolean;
}

const report = (line: string) => {
  console.log(line);
};

/**
 * Injects faults one after the other and prints the result of each. Resolves to the exit status.
 * @throws UsageError if there is no such fault.
 */
export async function runFaults({ operations, texts, list }: Choice): Promise<number> {
  report((await resolveToolchain({ projectDir, stateDir, report })).line);
  await installPython(report);
  report("Running each operation once without a fault (usually 60 s)");
  const laboratory = await Laboratory.open(operations);
  let [passed, failed] = [0, 0];
  try {
    const faults = operations
      .flatMap((operation) => faultsOf(operation, laboratory.reference(operation)))
      .filter(({ name }) => texts.length === 0 || texts.some((text) => name.includes(text)));
    if (faults.length === 0)
      throw new UsageError(`no fault has ${texts.join(" or ")} in its name; --list shows them all`);
    for (const fault of faults) {
      if (list) {
        report(fault.name);
        continue;
      }
      const { broken, survived, seconds } = await trial(laboratory, fault);
      const how = survived ? "went on by itself" : "run again";
      report(`${broken.length === 0 ? "ok  " : "FAIL"} ${seconds.toFixed(1).padStart(5)} s  ${fault.name} (${how})`);
      for (const line of broken) report(`       ${line}`);
      if (broken.length === 0) passed += 1;
      else failed += 1;
    }
  } finally {
    await laboratory.close();
  }
  if (!list) report(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
