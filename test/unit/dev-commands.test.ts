// How the tools for development answer `--help` and unknown words. None of them starts its work.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };

const project = join(import.meta.dirname, "../..");

/** Runs the program of an npm script, past the check of the packages. */
function run(script: keyof typeof manifest.scripts, ...args: string[]) {
  const [program = ""] = manifest.scripts[script].split(" ").slice(2);
  return spawnSync(process.execPath, [join(project, program), ...args], { encoding: "utf8" });
}

const TOOLS = "card, configure, doctor, rotate";
const BENCHES = "packages, firewall, nginx, preview, ssh, device, site, forms, growth, released";
const STRANGE: [script: keyof typeof manifest.scripts, word: string, answer: string][] = [
  ["start", "nonsense", "Unexpected argument 'nonsense'"],
  ["stop", "nonsense", "Unexpected argument 'nonsense'"],
  ["sandbox", "nonsense", "Unexpected argument 'nonsense'"],
  ["contract", "nonsense", "Unexpected argument 'nonsense'"],
  ["dev", "nonsense", `there is no tool "nonsense"; there are ${TOOLS}`],
  ["bench", "nonsense", `there is no bench "nonsense"; there are ${BENCHES}`],
  ["test:faults", "nonsense/", 'no fault is named "nonsense/"; their names begin with up/, update/, destroy/'],
  ["test:homes", "nonsense", 'no case is named "nonsense"; --list shows them all'],
];

it.each(STRANGE)("npm run %s answers %s with what there is, and does nothing", (script, word, answer) => {
  const { status, stdout, stderr } = run(script, word);
  expect(stderr).toContain(answer);
  expect(stderr).toContain("\n\nusage: npm ");
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
});

it.each(STRANGE.map(([script]) => script))("npm run %s prints its usage with --help", (script) => {
  const { status, stdout, stderr } = run(script, "--help");
  expect(stdout).toMatch(/^usage: npm /);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});

it("an unknown option is answered with the usage", () => {
  const { status, stderr } = run("stop", "--nonsense");
  expect(stderr).toMatch(/^Unknown option '--nonsense'[^]*\n\nusage: npm stop\n/);
  expect(status).toBe(2);
});

it("npm run dev without a tool names the tools", () => {
  expect(run("dev").stderr).toContain(`name a tool; there are ${TOOLS}`);
});
