// ruff on host/: its rules and its format, as pyproject.toml sets them. ruff itself comes as WebAssembly from npm, which
// knows nothing of files: no per-file settings, and `noqa` comments are the only exceptions. `--write` formats the files.
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Diagnostic, PositionEncoding, Workspace } from "@astral-sh/ruff-wasm-nodejs";
import { parse } from "smol-toml";

const project = join(import.meta.dirname, "../..");
const { tool } = parse(readFileSync(join(project, "pyproject.toml"), "utf8")) as { tool: { ruff: object } };
const workspace = new Workspace(tool.ruff, PositionEncoding.Utf16);

const files = globSync("host/**/*.py", { cwd: project }).sort();
if (files.length === 0) throw new Error("host/ has no Python files");
const write = process.argv.includes("--write");
const findings = files.flatMap((file) => {
  const source = readFileSync(join(project, file), "utf8");
  const broken = (workspace.check(source) as Diagnostic[]).map(
    ({ code, message, start_location: { row, column } }) =>
      `${file}:${row.toString()}:${column.toString()} ${code ?? "syntax"} ${message}`,
  );
  // A file with a syntax error has been named, and cannot be formatted.
  if (broken.some((line) => line.includes(" invalid-syntax "))) return broken;
  return [...broken, ...unformatted(file, source)];
});
for (const line of findings) console.log(line);
process.exitCode = findings.length === 0 ? 0 : 1;

/** Names the first line that the formatter would write differently. */
function unformatted(file: string, source: string): string[] {
  const wanted = workspace.format(source);
  if (wanted === source) return [];
  if (write) {
    writeFileSync(join(project, file), wanted);
    return [];
  }
  const [now, then] = [source.split("\n"), wanted.split("\n")];
  const at = now.findIndex((line, index) => line !== then[index]);
  const row = at < 0 ? now.length : at + 1;
  return [`${file}:${row.toString()} is not formatted: ruff would write ${JSON.stringify(then[row - 1] ?? "")}`];
}
