// `npm run lint`: every linter, each shown by name; fails if one of them does.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const project = join(import.meta.dirname, "..");
const LINTERS: readonly (readonly [name: string, ...args: string[]])[] = [
  ["tsc", "--noEmit", "-p", "."],
  ["eslint", "--max-warnings", "0", "."],
  ["prettier", "--check", "--log-level", "warn", "."],
];

const failed = LINTERS.filter(([name, ...args]) => {
  console.log(`${name} (up to half a minute)`);
  return spawnSync(join(project, "node_modules/.bin", name), args, { cwd: project, stdio: "inherit" }).status !== 0;
});
if (failed.length > 0) {
  console.error(`These linters found something: ${failed.map(([name]) => name).join(", ")}`);
  process.exitCode = 1;
}
