// Building the CLI, with a fake `go` that works or fails, and once with the real one.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { atLeast, buildCli, wantedCli } from "../build.ts";
import { fakeGo, folder, isRoot, script, smallDisk, writesCli } from "./fixture.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Builds version 3.2.1 with whatever `go` is on the PATH. */
function build(cacheDir: string, more: { version?: string; mainPackage?: string; moduleDir?: string } = {}) {
  const reported: string[] = [];
  const report = (line: string) => void reported.push(line);
  const options = { moduleDir: folder(), version: "3.2.1", go: "1.26", modules: "0a", cacheDir, report, ...more };
  return { built: buildCli(options), reported };
}

/** What is left of builds: the files that are not a finished CLI. */
const leftovers = (cacheDir: string) =>
  readdirSync(cacheDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== "pulumi")
    .map(({ name }) => name);

describe("a build that works", () => {
  it("a build puts the CLI into the cache, and is not repeated", async () => {
    const cacheDir = folder();
    fakeGo("1.26.1", writesCli("$target", "3.2.1"));
    const first = build(cacheDir);
    const cli = await first.built;
    expect(execFileSync(cli).toString()).toBe("v3.2.1\n");
    expect(first.reported[0]).toMatch(/^building the Pulumi CLI 3\.2\.1 .*usually 4 to 8 minutes/);
    expect(first.reported.at(-1)).toMatch(/^building the Pulumi CLI 3\.2\.1: done after \d+ s$/);
    expect(leftovers(cacheDir)).toEqual([]);

    fakeGo("1.26.1", "exit 1");
    const second = build(cacheDir);
    expect([await second.built, second.reported]).toEqual([cli, []]);
  });

  it("another version of Go causes a new build", async () => {
    const cacheDir = folder();
    fakeGo("1.26.1", writesCli("$target", "3.2.1"));
    const first = await build(cacheDir).built;
    fakeGo("1.27", writesCli("$target", "3.2.1"));
    expect(await build(cacheDir).built).not.toBe(first);
  });

  it("concurrent callers wait for one build", async () => {
    const cacheDir = folder();
    const count = join(folder(), "count");
    fakeGo("1.26", `echo built >>${count}; sleep 0.3`, writesCli("$target", "3.2.1"));
    const [one, other] = [build(cacheDir), build(cacheDir)];
    expect(await one.built).toBe(await other.built);
    expect(readFileSync(count, "utf8")).toBe("built\n");
    expect([...one.reported, ...other.reported]).toContain(
      `process ${process.pid} is building the Pulumi CLI: waiting for it`,
    );
  });
});

describe("builds that fail, with one line and no leftovers", () => {
  it.each([
    [
      "no Go",
      () => vi.stubEnv("PATH", folder()),
      /built with Go 1\.26 or newer, and `go` is not on the PATH: install Go/,
    ],
    ["an old Go", () => fakeGo("1.25.9"), /with Go 1\.26 or newer, and this is Go 1\.25\.9: install a newer Go/],
    [
      "a broken Go",
      () => {
        const bin = folder();
        script(join(bin, "go"), "exit 7");
        vi.stubEnv("PATH", `${bin}:/usr/bin:/bin`);
      },
      /and `go env` fails \(Command failed: go env GOVERSION\): install Go/,
    ],
    [
      "no way to the modules",
      () =>
        fakeGo("1.26", "echo 'go: downloading x v1' >&2; echo 'x: dial tcp: lookup proxy: no such host' >&2; exit 1"),
      /a Go module cannot be fetched \(x: dial tcp: lookup proxy: no such host\)\. Check the network and GOPROXY/,
    ],
    [
      "code that does not compile",
      () => fakeGo("1.26", "echo '# x/y' >&2; echo './main.go:3: undefined: z' >&2; exit 1"),
      /^building the Pulumi CLI 3\.2\.1: \.\/main\.go:3: undefined: z\. If it stays, run `go clean -cache`/,
    ],
    [
      "another version",
      () => fakeGo("1.26", writesCli("$target", "3.0.0")),
      /^the built Pulumi CLI says it is "3\.0\.0", not 3\.2\.1: run `go clean -cache`/,
    ],
    [
      "something that does not run",
      () => fakeGo("1.26", "echo nonsense >$target"),
      /^the built Pulumi CLI says it is ".*EACCES.*", not 3\.2\.1/,
    ],
  ])("a build fails with one line and no leftovers: %s", async (_what, prepare, message) => {
    const cacheDir = folder();
    prepare();
    const { built } = build(cacheDir);
    const error = await built.then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error?.name).toBe("ToolchainError");
    expect(error?.message).toMatch(message);
    expect(error?.message).not.toContain("\n");
    expect(leftovers(cacheDir)).toEqual([]);

    fakeGo("1.26", writesCli("$target", "3.2.1"));
    expect(existsSync(await build(cacheDir).built)).toBe(true);
  });
});

describe.runIf(isRoot)("on a full disk", () => {
  const full = /^building the Pulumi CLI.*: the disk is full\. The build needs about 4 GB .* make room/;

  it("a build that fills the disk fails with one line and no leftovers", async () => {
    const cacheDir = smallDisk(64 * 1024);
    fakeGo("1.26", 'head -c 1000000 /dev/zero >"$target" || exit 1');
    await expect(build(cacheDir).built).rejects.toThrow(full);
    expect(leftovers(cacheDir)).toEqual([]);
  });

  it("a build on a full disk fails with one line", async () => {
    const cacheDir = smallDisk(4096);
    writeFileSync(join(cacheDir, "filler"), Buffer.alloc(4096));
    fakeGo("1.26", 'head -c 10 /dev/zero >"$target" || exit 1');
    await expect(build(cacheDir).built).rejects.toThrow(full);
    expect(leftovers(cacheDir)).toEqual(["filler"]);
  });
});

it.runIf(spawnSync("go", ["version"]).status === 0)(
  "the real Go links the version into the program",
  async () => {
    const moduleDir = folder();
    const versionDir = join(moduleDir, "go/common/version");
    mkdirSync(versionDir, { recursive: true });
    writeFileSync(join(moduleDir, "go.mod"), "module github.com/pulumi/pulumi/sdk/v3\n\ngo 1.20\n");
    writeFileSync(join(versionDir, "version.go"), "package version\n\nvar Version string\n");
    writeFileSync(
      join(moduleDir, "main.go"),
      'package main\n\nimport (\n\t"os"\n\n\t"github.com/pulumi/pulumi/sdk/v3/go/common/version"\n)\n\n' +
        'func main() { os.Stdout.WriteString("v" + version.Version + "\\n") }\n',
    );
    const more = { moduleDir, mainPackage: "github.com/pulumi/pulumi/sdk/v3", version: "3.7.0-x", go: "1.20" };
    expect(execFileSync(await build(folder(), { ...more }).built).toString()).toBe("v3.7.0-x\n");
  },
  120_000,
);

describe("go.mod", () => {
  it("go.mod names the CLI's version and the oldest Go", () => {
    const wanted = wantedCli(join(import.meta.dirname, "../cli"));
    expect(wanted.version).toMatch(/^3\.\d+\.\d+$/);
    expect(wanted.go).toMatch(/^1\.\d+/);
    expect(wanted.modules).toMatch(/^[0-9a-f]{64}$/);
  });

  it("a go.mod without versions is refused", () => {
    const moduleDir = folder();
    writeFileSync(join(moduleDir, "go.mod"), "module x\n");
    expect(() => wantedCli(moduleDir)).toThrow("names no version of the CLI or of Go");
  });
});

it.each([
  ["1.26", "1.26", true],
  ["1.26.0", "1.26", true],
  ["1.9", "1.26", false],
  ["1.26.1", "1.26.2", false],
  ["2", "1.26", true],
  ["1.26rc1", "1.26", true],
])("Go %s is at least %s: %s", (a, b, expected) => {
  expect(atLeast(a, b)).toBe(expected);
});
