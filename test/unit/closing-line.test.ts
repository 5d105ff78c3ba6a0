// The last line of a run and its exit status, which CI uses, from vitest itself on small projects.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";

// vitest starts in a second, on a busy machine in many.
vi.setConfig({ testTimeout: 120_000 });

const project = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "immich-access-closing-line-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Ended {
  lastLine: string | undefined;
  code: unknown;
}

/** Runs vitest on test files, by their names without `.test.js`. */
async function run(files: Record<string, string>, args: readonly string[] = [], setup?: string): Promise<Ended> {
  const root = mkdtempSync(join(folder, "project-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, `${name}.test.js`), text);
  if (setup !== undefined) writeFileSync(join(root, "setup.js"), setup);
  const reporters = ["default", join(project, "test/support/closing-line.ts")];
  const test = { globals: true, reporters, globalSetup: setup === undefined ? [] : ["./setup.js"] };
  writeFileSync(join(root, "vitest.config.mjs"), `export default ${JSON.stringify({ test })};`);
  return new Promise((resolve) => {
    const vitest = join(project, "node_modules/vitest/vitest.mjs");
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
    execFile(process.execPath, [vitest, "run", "--root", root, ...args], { env }, (error, stdout) => {
      resolve({ lastLine: stdout.trimEnd().split("\n").at(-1), code: error ? error.code : 0 });
    });
  });
}

const PASSES = 'it("passes", () => {});';

it("a run in which all tests pass ends with their number and status 0", async () => {
  expect(await run({ a: PASSES, b: PASSES })).toEqual({ lastLine: "2 passed, 0 failed", code: 0 });
});

it("what fails in a test, in a file and outside all tests counts as failed", async () => {
  const files = {
    passes: PASSES,
    fails: 'it("fails", () => { throw new Error(); }); it.skip("is skipped", () => {});',
    broken: "throw new Error();",
    hook: `${PASSES} afterAll(() => { throw new Error(); });`,
    outside: `${PASSES} setTimeout(() => { throw new Error(); }); it("waits", () => new Promise((end) => setTimeout(end, 50)));`,
  };
  expect(await run(files)).toEqual({ lastLine: "4 passed, 4 failed, 1 skipped", code: 1 });
});

it("an error outside all tests makes a run fail", async () => {
  const rejects = 'it("passes", () => { void Promise.reject(new Error()); });';
  expect(await run({ rejects })).toEqual({ lastLine: "1 passed, 1 failed", code: 1 });
});

it("a run in which no test ran has failed", async () => {
  expect(await run({ a: PASSES }, ["-t", "no such test"])).toEqual({
    lastLine: "0 passed, 0 failed, 1 skipped",
    code: 1,
  });
  expect(await run({ a: PASSES }, ["no-such-file"])).toEqual({ lastLine: "0 passed, 0 failed", code: 1 });
});

it("every file fails when the global set-up or tear-down fails", async () => {
  const refuses = 'export default () => { throw new Error("refuses"); };';
  expect(await run({ a: PASSES, b: PASSES }, [], refuses)).toEqual({ lastLine: "0 passed, 2 failed", code: 1 });
  const remains = 'export default () => () => { throw new Error("remains"); };';
  expect(await run({ a: PASSES }, [], remains)).toEqual({ lastLine: "1 passed, 1 failed", code: 1 });
});
