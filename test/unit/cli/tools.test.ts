// What every command line tool of the project does with arguments that it does not have.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";

const project = join(import.meta.dirname, "../../..");
const { scripts, version } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
  version: string;
};
const tools = readdirSync(join(project, "cli")).filter((name) => existsSync(join(project, "cli", name, "main.ts")));

/** Runs a tool where there is no Pulumi CLI, which nothing here needs. */
function run(tool: string, ...args: string[]) {
  const main = join(project, "cli", tool, "main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    env: { PATH: "/nonexistent" },
  });
  return { status, stdout, stderr };
}

/** The exit status of a tool that could not do anything: of the doctor, 1 says that a site is broken. */
const failure = (tool: string) => (tool === "doctor" ? 2 : 1);

it("there are four tools, each with its script", () => {
  expect(tools.toSorted()).toEqual(["card", "configure", "doctor", "rotate"]);
  expect(tools.map((tool) => scripts[tool])).toEqual(tools.map((tool) => `node cli/${tool}/main.ts`));
});

describe.each(tools)("%s", (tool) => {
  let shown: ReturnType<typeof run>;

  beforeAll(() => {
    shown = run(tool, "--help");
  });

  it(`${tool} shows its options on --help`, () => {
    expect(shown).toMatchObject({ status: 0, stderr: "" });
    expect(shown.stdout.startsWith(`usage: npm run ${tool} -- [OPTION …]\n\n`)).toBe(true);
    expect(shown.stdout).toMatch(/^ {2}-s, --stack NAME +\S.*default: the selected one/m);
    expect(Math.max(...shown.stdout.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(120);
  });

  it(`${tool} prints the version of the program on --version`, () => {
    expect(run(tool, "--version")).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
  });

  it.each([
    ["--devise", "Unknown option '--devise'"],
    ["now", "Unexpected argument 'now'. This command does not take positional arguments"],
  ])(`${tool} answers %s with what is wrong and its options`, (arg, problem) => {
    expect(run(tool, arg)).toEqual({ status: failure(tool), stdout: "", stderr: `${problem}\n\n${shown.stdout}` });
  });
});

it.each([
  ["--stack", "Option '-s, --stack <value>' argument missing\n\nusage: "],
  ["--help=yes", "Option '-h, --help' does not take an argument\n\nusage: "],
])("a tool names a value that is missing or too much: %s", (arg, problem) => {
  expect(run("rotate", arg).stderr.slice(0, problem.length)).toBe(problem);
});

it.each([
  ["card", ["--delete"], "--delete needs --device with a device's name"],
  ["card", ["--site", "Album"], "--site needs the host name of a site, like album.example.com"],
  ["rotate", ["--grace", "soon"], "--grace soon is not a time from 1h to 30d: give hours or days, like 12h or 7d"],
  ["doctor", ["--connect-to", "x"], "--connect-to x is not of the form HOST1:PORT1:HOST2:PORT2"],
  ["doctor", ["--cacert", "/nonexistent"], "--cacert: ENOENT: no such file or directory, open '/nonexistent'"],
  ["configure", [], "pulumi cannot be run (spawn pulumi ENOENT): run `npm ci` first"],
])("the tool %s answers %j in one line", (tool, args, problem) => {
  expect(run(tool, ...args)).toEqual({ status: failure(tool), stdout: "", stderr: `${problem}\n` });
});
