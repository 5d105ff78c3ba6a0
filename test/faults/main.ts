// `npm run test:faults`: every fault in turn, with a time for each and a count at the end.
//
//   npm run test:faults                     all (some hundreds, each about 20 s)
//   npm run test:faults -- destroy/         those whose name contains this text; several texts are alternatives
//   npm run test:faults -- --list [TEXT …]  only their names

import { resolveToolchain } from "../../dev/toolchain/index.ts";
import { PROJECT } from "../e2e/support/deployment.ts";
import { installPython } from "../support/python.ts";
import { faultsOf } from "./support/faults.ts";
import { Laboratory } from "./support/laboratory.ts";
import { OPERATIONS } from "./support/operations.ts";
import { trial } from "./support/trial.ts";
import { join } from "node:path";

const args = process.argv.slice(2);
const texts = args.filter((argument) => !argument.startsWith("--"));
const report = (line: string) => {
  console.log(line);
};

report((await resolveToolchain({ projectDir: PROJECT, stateDir: join(PROJECT, ".state"), report })).line);
await installPython(report);
report("Running each operation once without a fault (usually 60 s)");
const wanted = OPERATIONS.filter((operation) => texts.length === 0 || texts.some((text) => mayMatch(operation, text)));
const laboratory = await Laboratory.open(wanted);
let [passed, failed] = [0, 0];
try {
  const faults = wanted
    .flatMap((operation) => faultsOf(operation, laboratory.reference(operation)))
    .filter(({ name }) => texts.length === 0 || texts.some((text) => name.includes(text)));
  for (const fault of faults) {
    if (args.includes("--list")) {
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
report(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && (passed > 0 || args.includes("--list")) ? 0 : 1;

/** Whether a fault of the operation can have the text in its name. */
function mayMatch(operation: string, text: string): boolean {
  return text.includes("/") ? `${operation}/`.startsWith(text.slice(0, text.indexOf("/") + 1)) : true;
}
