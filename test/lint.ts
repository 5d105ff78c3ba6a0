// `npm run lint`: every linter, two at a time. What a linter says is shown when it ends; the exit status is 1 if one of
// them found something or could not run.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";

interface Linter {
  name: string;
  /** How long it usually takes on two cores that it has for itself, in seconds. */
  seconds: number;
  /** A command of node_modules/.bin, or a file of test/lint/, with its arguments. */
  command: readonly string[];
}

const project = join(import.meta.dirname, "..");
const bin = (name: string) => join(project, "node_modules/.bin", name);
const own = (name: string) => [process.execPath, join(import.meta.dirname, "lint", name)];
const kept = (name: string) => join(project, ".state/lint", name);

// The longest first, so that none of them runs alone at the end.
const LINTERS: readonly Linter[] = [
  { name: "eslint", seconds: 20, command: [bin("eslint"), "--max-warnings", "0", "."] },
  { name: "tsc", seconds: 7, command: [bin("tsc"), "-p", ".", "--incremental", "--tsBuildInfoFile", kept("tsc.json")] },
  {
    name: "prettier",
    seconds: 3,
    command: [bin("prettier"), "--check", "--log-level", "warn", "--cache", "--cache-location", kept("prettier"), "."],
  },
  { name: "pyright", seconds: 5, command: [bin("pyright")] },
  { name: "ruff", seconds: 3, command: own("ruff.ts") },
  { name: "actionlint", seconds: 1, command: own("actionlint.ts") },
  { name: "shellcheck", seconds: 1, command: own("shellcheck.ts") },
];

const sinceStart = (started: number) => `${((Date.now() - started) / 1000).toFixed(1)} s`;

/** Runs one linter, shows what it said, and resolves to whether it was content. */
async function run({ name, command: [program = "", ...args] }: Linter): Promise<boolean> {
  const started = Date.now();
  const child = spawn(program, args, {
    cwd: project,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}) },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => {
    child.on("error", (error) => {
      said += error.message;
      resolve(null);
    });
    child.on("close", resolve);
  });
  const content = code === 0;
  console.log(`${name}: ${content ? "nothing found" : "FAILED"} (${sinceStart(started)})`);
  if (!content) console.log(said.trimEnd());
  return content;
}

const started = Date.now();
const queue = [...LINTERS];
const failed: string[] = [];
console.log(
  `Linters (usual time each): ${LINTERS.map(({ name, seconds }) => `${name} ${seconds.toString()} s`).join(", ")}`,
);
const worker = async () => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (!(await run(next))) failed.push(next.name);
  }
};
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
console.log(`All linters took ${sinceStart(started)}.`);
if (failed.length > 0) {
  console.error(`These linters found something: ${failed.join(", ")}`);
  process.exitCode = 1;
}
