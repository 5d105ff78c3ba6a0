// The host agent's own unit tests, which are in Python (host/tests). Each is one test here, with its name there.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it } from "vitest";
import { PYTHON } from "../support/python.ts";

/** A line of host/tests/as_json.py. */
interface Outcome {
  id: string;
  /** Tracebacks: one for each failure, subtests' included. */
  problems: string[];
  /** Reasons. */
  skipped: string[];
}

/** All of them together take a few seconds, on a busy machine many. */
const PATIENCE_MS = 120_000;

const cwd = join(import.meta.dirname, "../../host");
const command = ["-B", "-m", "tests.as_json"];

const list = spawnSync(PYTHON, [...command, "--list"], { cwd, encoding: "utf8" });
if (list.status !== 0) throw new Error(`the tests of the host agent cannot be listed: ${list.stderr}`);
const ids = JSON.parse(list.stdout) as string[];

const outcomes = new Map<string, Outcome>();
let [status, stderr]: [number | null, string] = [null, ""];

beforeAll(async () => {
  const python = spawn(PYTHON, command, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  python.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  createInterface({ input: python.stdout }).on("line", (line) => {
    const outcome = JSON.parse(line) as Outcome;
    outcomes.set(outcome.id, outcome);
  });
  [status] = (await once(python, "close")) as [number | null];
}, PATIENCE_MS);

/** Problems of no single test: a class or module whose set-up or tear-down failed, or a failure of Python itself. */
function problemsAround(): string {
  const around = [...outcomes.values()].filter(({ id }) => !ids.includes(id)).flatMap(({ problems }) => problems);
  return [...around, ...(status === 0 ? [] : [`Python ended with status ${String(status)}: ${stderr}`])].join("\n");
}

afterAll(() => {
  const problems = problemsAround();
  if (problems) expect.fail(problems);
});

it.for(ids)("%s", (id, { skip }) => {
  const outcome = outcomes.get(id);
  if (!outcome) expect.fail(`this test did not run: ${problemsAround()}`);
  if (outcome.skipped.length > 0) skip(outcome.skipped.join(", "));
  if (outcome.problems.length > 0) expect.fail(outcome.problems.join("\n"));
});
