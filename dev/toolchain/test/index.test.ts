// The choice of the toolchain, and the off-line home with a CLI that a `go` of the tests' own "builds".
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { resolveToolchain } from "../index.ts";
import { fakeGo, folder, isRoot, script, smallDisk, writesCli } from "./fixture.ts";

const projectDir = join(import.meta.dirname, "../../..");
const version = /pulumi\/pkg\/v3 v(\S+)/.exec(readFileSync(join(projectDir, "dev/toolchain/cli/go.mod"), "utf8"))![1]!;

let stateDir: string;
const resolve = () => resolveToolchain({ projectDir, stateDir });

beforeEach(() => {
  stateDir = folder();
  vi.stubEnv("XDG_CACHE_HOME", folder());
  vi.stubEnv("IMMICH_ACCESS_TOOLCHAIN", "offline");
  fakeGo("1.99", writesCli("$target", version));
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe("the choice", () => {
  it.each(["on", "ONLINE", "1"])("IMMICH_ACCESS_TOOLCHAIN=%s is refused", async (value) => {
    vi.stubEnv("IMMICH_ACCESS_TOOLCHAIN", value);
    await expect(resolve()).rejects.toThrow(
      `IMMICH_ACCESS_TOOLCHAIN is "${value}": set it to online or offline, or unset it`,
    );
  });

  it("the toolchain follows the cached answer about the download site", async () => {
    vi.stubEnv("IMMICH_ACCESS_TOOLCHAIN", "");
    const memory = (online: boolean) =>
      writeFileSync(join(stateDir, "downloads-reachable.json"), JSON.stringify({ online, at: Date.now() }));
    memory(false);
    expect((await resolve()).mode).toBe("offline");

    const home = folder();
    const official = JSON.parse(readFileSync(join(projectDir, "node_modules/pulumi/package.json"), "utf8")) as {
      version: string;
    };
    script(join(home, "versions", official.version, "bin/pulumi"), "exit 0");
    vi.stubEnv("PULUMI_HOME", home);
    vi.stubEnv("PULUMI_VERSION", "");
    memory(true);
    expect(await resolve()).toMatchObject({ mode: "online", version: official.version });
  });
});

describe("the off-line home", () => {
  it("the off-line home holds the CLI, the language host and the plugins, and says so", async () => {
    const tools = await resolve();
    const home = join(stateDir, "pulumi-home");
    expect(tools).toMatchObject({
      mode: "offline",
      version,
      pulumi: join(home, "bin/pulumi"),
      line: `Pulumi ${version}, built from its Go modules, with this project's stand-in plugins (off line)`,
      env: { PULUMI_HOME: home, PULUMI_IGNORE_AMBIENT_PLUGINS: "true" },
    });
    expect(execFileSync(tools.pulumi).toString()).toBe(`v${version}\n`);
    const { dependencies } = JSON.parse(readFileSync(join(projectDir, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    for (const name of ["cloudflare", "command", "tls"]) {
      const plugin = join(home, "plugins", `resource-${name}-v${dependencies[`@pulumi/${name}`]}`);
      expect(readFileSync(join(plugin, `pulumi-resource-${name}`), "utf8")).toContain(`plugins/${name}/main.ts`);
    }
  });

  it("the off-line home needs neither Go nor a build the second time", async () => {
    const tools = await resolve();
    vi.stubEnv("PATH", folder());
    expect((await resolve()).pulumi).toBe(tools.pulumi);
  });

  it.each(["bin/pulumi", "bin/pulumi-language-nodejs", "toolchain.json"])(
    "the off-line home is repaired without %s",
    async (file) => {
      const tools = await resolve();
      rmSync(join(stateDir, "pulumi-home", file));
      await resolve();
      expect(existsSync(join(stateDir, "pulumi-home", file))).toBe(true);
      expect(execFileSync(tools.pulumi).toString()).toBe(`v${version}\n`);
    },
  );

  it("an off-line home that cannot be written is named", async () => {
    mkdirSync(stateDir, { recursive: true });
    writeFileSync(join(stateDir, "pulumi-home"), "a file in its place");
    await expect(resolve()).rejects.toThrow(
      new RegExp(`^cannot write the off-line Pulumi home ${stateDir}/pulumi-home: .*ENOTDIR`),
    );
  });

  it.runIf(isRoot)("a full disk is named, and the off-line home is complete once there is room", async () => {
    stateDir = smallDisk(64 * 1024);
    const filler = join(stateDir, "filler");
    writeFileSync(filler, Buffer.alloc(64 * 1024));
    await expect(resolve()).rejects.toThrow(/^cannot write the off-line Pulumi home .*: ENOSPC/);
    rmSync(filler);
    expect(execFileSync((await resolve()).pulumi).toString()).toBe(`v${version}\n`);
  });

  it("without Go the off-line home fails with the build's error", async () => {
    vi.stubEnv("PATH", folder());
    await expect(resolve()).rejects.toThrow("`go` is not on the PATH: install Go, then run this again");
  });
});
