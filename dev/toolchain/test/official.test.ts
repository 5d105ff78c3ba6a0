// The official CLI by way of the npm package's installer, here one of the tests' own.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { officialToolchain } from "../official.ts";
import { folder, script, writesCli } from "./fixture.ts";

let home: string;
let projectDir: string;
let reported: string[];

const resolve = () =>
  officialToolchain({ projectDir, stateDir: join(projectDir, "state"), report: (line) => reported.push(line) });

/** Makes the npm package `pulumi` of version 3.2.1, whose installer runs a shell line. */
function npmPackage(line: string): void {
  const directory = join(projectDir, "node_modules/pulumi");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "package.json"), JSON.stringify({ name: "pulumi", version: "3.2.1" }));
  const installer = `require("node:child_process").execFileSync("sh", ["-ec", ${JSON.stringify(line)}], { stdio: "inherit" });`;
  writeFileSync(join(directory, "run.js"), installer);
}

const cli = (version: string) => join(home, "versions", version, "bin/pulumi");
const brings = (version: string, says = version) =>
  `echo fetching; mkdir -p "$(dirname ${cli(version)})"; ${writesCli(cli(version), says)}`;

beforeEach(() => {
  home = folder();
  projectDir = folder();
  reported = [];
  vi.stubEnv("PULUMI_HOME", home);
  vi.stubEnv("PULUMI_VERSION", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
});

it("the official CLI is installed once, in the package's version, with progress", async () => {
  npmPackage(brings("3.2.1"));
  const tools = await resolve();
  expect(tools).toMatchObject({ mode: "online", version: "3.2.1", pulumi: cli("3.2.1"), env: { PULUMI_HOME: home } });
  expect(tools.env.PATH?.startsWith(join(home, "versions/3.2.1/bin"))).toBe(true);
  expect(tools.line).toBe("Pulumi 3.2.1, official CLI and plugins (on line)");
  expect(reported).toEqual(["downloading the Pulumi CLI 3.2.1 (once; usually under a minute)", "fetching"]);

  npmPackage("exit 1");
  expect(await resolve()).toEqual(tools);
  expect(reported).toHaveLength(2);
});

it("PULUMI_VERSION selects the official CLI's version", async () => {
  vi.stubEnv("PULUMI_VERSION", "v3.9.9");
  npmPackage(brings("3.9.9"));
  expect(await resolve()).toMatchObject({ version: "3.9.9", pulumi: cli("3.9.9") });
});

it("an official CLI of another version is refused, also the next time", async () => {
  npmPackage(brings("3.2.1", "3.0.0"));
  const refusal = "the downloaded Pulumi CLI is not version 3.2.1 (3.0.0) and has been removed: try again";
  await expect(resolve()).rejects.toThrow(refusal);
  expect(existsSync(cli("3.2.1"))).toBe(false);
  await expect(resolve()).rejects.toThrow(refusal);
});

it("an official CLI whose download is cut short is refused", async () => {
  npmPackage(`mkdir -p "$(dirname ${cli("3.2.1")})"; printf '\\177ELF' >${cli("3.2.1")}; chmod 755 ${cli("3.2.1")}`);
  await expect(resolve()).rejects.toThrow(
    /^the downloaded Pulumi CLI is not version 3\.2\.1 \(.+\) and has been removed/,
  );
  expect(existsSync(cli("3.2.1"))).toBe(false);
});

it("an installer that brings no CLI is refused", async () => {
  npmPackage("true");
  await expect(resolve()).rejects.toThrow(/^the downloaded Pulumi CLI is not version 3\.2\.1 \(.*ENOENT/);
});

it("a failed download of the official CLI gives the installer's last line", async () => {
  const directory = join(projectDir, "node_modules/pulumi");
  npmPackage("true");
  writeFileSync(join(directory, "run.js"), 'console.error("pulumi: fetch failed"); process.exit(1);');
  await expect(resolve()).rejects.toThrow(
    "the download of the Pulumi CLI failed (pulumi: fetch failed): try again, or use the off-line toolchain with " +
      "IMMICH_ACCESS_TOOLCHAIN=offline",
  );
});

it("without the package pulumi the error names npm ci", async () => {
  await expect(resolve()).rejects.toThrow(`the npm package pulumi is not installed: run \`npm ci\` in ${projectDir}`);
});

it("a file that cannot be run does not count as the official CLI", async () => {
  chmodSync(script(cli("3.2.1"), "exit 1"), 0o644);
  npmPackage(`rm ${cli("3.2.1")}; ${brings("3.2.1")}`);
  await resolve();
  expect(reported).toContain("fetching");
});
