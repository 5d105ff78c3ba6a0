// `npm test`: the host agent's unit tests in Python and everything else in vitest, with one count at the end.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveToolchain } from "../dev/toolchain/index.ts";
import { installChromium } from "./e2e/support/chromium.ts";
import { installPython, PYTHON } from "./support/python.ts";

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

/**
 * A machine that is done with the unit tests within this time runs four system tests at a time: in two thirds of the time
 * that two take. On one that needs three times as long, four are slower than two.
 */
const QUICK_MS = 35_000;

const project = join(import.meta.dirname, "..");
const started = Date.now();
// The CLI may have to be built first and a browser fetched, which takes longer than any test may.
const report = (line: string) => {
  console.log(line);
};
report((await resolveToolchain({ projectDir: project, stateDir: join(project, ".state"), report })).line);
// Without a browser, only the tests in it cannot run; they fail for the same reason.
await installChromium(report).catch((error: unknown) => report((error as Error).message));
await installPython(report);
const args = process.argv.slice(2);
const hostAgent = await python();
const unitsBegan = Date.now();
const units = await vitest("unit", args);
// Only the run of all of them tells how quick the machine is.
const quick = args.length === 0 && Date.now() - unitsBegan < QUICK_MS;
const counts = [hostAgent, units, await vitest("system", args, quick ? { SYSTEM_TEST_WORKERS: "4" } : {})];
const sum = (key: keyof Count) => counts.reduce((total, count) => total + count[key], 0);
const skipped = sum("skipped") > 0 ? `, ${sum("skipped").toString()} skipped` : "";
console.log(`All tests took ${Math.round((Date.now() - started) / 1000).toString()} s.`);
console.log(`${sum("passed").toString()} passed, ${sum("failed").toString()} failed${skipped}`);
process.exitCode = sum("failed") === 0 && sum("passed") > 0 ? 0 : 1;

async function python(): Promise<Count> {
  console.log("Unit tests of the host agent (a few seconds)");
  const { code, output } = await run(PYTHON, ["-B", "-m", "unittest", "discover", "-s", "host/tests", "-t", "host"]);
  const ran = Number(/^Ran (\d+) tests?/m.exec(output)?.[1] ?? 0);
  const number = (what: string) => Number(new RegExp(`${what}=(\\d+)`).exec(output)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  const skipped = number("skipped");
  // A run that broke down before it could count has failed all the same.
  if (code !== 0 && failed === 0) return { passed: 0, failed: 1, skipped: 0 };
  return { passed: ran - failed - skipped, failed, skipped };
}

async function vitest(group: "unit" | "system", args: readonly string[], variables = {}): Promise<Count> {
  const folder = mkdtempSync(join(tmpdir(), "immich-access-test-"));
  const report = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const { code } = await run(
    join(project, "node_modules/.bin/vitest"),
    ["run", `--project=${group}`, "--passWithNoTests", ...reporters, ...args],
    variables,
  );
  try {
    const result = JSON.parse(readFileSync(report, "utf8")) as VitestReport;
    const broken = result.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
    const failed = result.numFailedTests + broken.length;
    return {
      passed: result.numPassedTests,
      // Errors outside any test make vitest fail without a failed test.
      failed: code !== 0 && failed === 0 ? 1 : failed,
      skipped: result.numPendingTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a command with its output both shown and returned. */
function run(
  command: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<{ code: number; output: string }> {
  const env = { ...process.env, ...variables };
  const child = spawn(command, args, { cwd: project, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const take = (stream: NodeJS.WriteStream) => (chunk: Buffer) => {
    output += chunk.toString();
    stream.write(chunk);
  };
  child.stdout.on("data", take(process.stdout));
  child.stderr.on("data", take(process.stderr));
  return new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(`${command} cannot be started: ${error.message}`);
      resolve({ code: 1, output });
    });
    child.on("close", (code) => {
      resolve({ code: code ?? 1, output });
    });
  });
}
