import { installPython } from "../../support/python.ts";
import { CASES } from "./homes.ts";
import { row, table, wrongWith } from "./table.ts";
import { trial } from "./trial.ts";

export interface Choice {
  /** Only cases with one of these in their name. None: all of them. */
  texts: readonly string[];
  /** Whether to show their names only. */
  list: boolean;
}

const report = (line: string) => {
  console.log(line);
};

/** Lives through the cases, one after the other, and prints a table of them. Resolves to the exit status. */
export async function runHomes({ texts, list }: Choice): Promise<number> {
  const cases = CASES.filter(({ name }) => texts.length === 0 || texts.some((text) => name.includes(text)));
  if (list) {
    for (const { name } of cases) report(name);
    return 0;
  }
  await installPython(report);
  const rows: string[][] = [];
  let failed = 0;
  for (const one of cases) {
    const began = Date.now();
    // One that cannot be tried must not keep the others from being tried.
    const result = await trial(one).catch((error: unknown) => String(error));
    const seconds = ((Date.now() - began) / 1000).toFixed(0);
    const wrong = typeof result === "string" ? [`not tried to the end: ${result}`] : wrongWith(result);
    if (typeof result !== "string") rows.push(row(one.name, result, seconds));
    if (wrong.length > 0) failed += 1;
    report(`${wrong.length === 0 ? "ok  " : "FAIL"} ${seconds.padStart(4)} s  ${one.name}`);
    for (const line of wrong) report(`       ${line}`);
  }
  report(`\n${table(rows)}\n\n${cases.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
