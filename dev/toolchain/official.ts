// On line: the CLI that the npm package `pulumi` installs, and the plugins that the engine fetches.
import { spawn } from "node:child_process";
import { accessSync, constants, readFileSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { ToolchainError } from "./error.ts";
import { childEnvironment, cliVersion, type Toolchain, type ToolchainOptions } from "./toolchain.ts";

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Lets the npm package's own lazy installer fetch the CLI; each line it prints is reported. */
async function install(installer: string, report: (line: string) => void): Promise<void> {
  const child = spawn(process.execPath, [installer, "version"], { stdio: ["ignore", "pipe", "pipe"] });
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      if (line.trim() === "") return;
      last.push(line.trim());
      report(line);
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  if (code === 0) return;
  throw new ToolchainError(
    `the download of the Pulumi CLI failed (${last.at(-1) ?? `exit code ${code}`}): ` +
      "try again, or use the off-line toolchain with IMMICH_ACCESS_TOOLCHAIN=offline",
  );
}

/**
 * The official CLI in the version of the npm package `pulumi` (or `PULUMI_VERSION`), installed when it is missing, in
 * the user's own PULUMI_HOME.
 * @throws ToolchainError when packages are missing, the download fails or it brings another version.
 */
export async function officialToolchain(options: Required<ToolchainOptions>): Promise<Toolchain> {
  const packageDir = join(options.projectDir, "node_modules", "pulumi");
  let version = process.env.PULUMI_VERSION?.replace(/^v/, "");
  try {
    const manifest = JSON.parse(readFileSync(join(packageDir, "package.json"), "utf8")) as { version: string };
    version ||= manifest.version;
  } catch {
    throw new ToolchainError(`the npm package pulumi is not installed: run \`npm ci\` in ${options.projectDir}`);
  }
  const home = process.env.PULUMI_HOME || join(homedir(), ".pulumi");
  const pulumi = join(home, "versions", version, "bin", "pulumi");
  if (!executable(pulumi)) {
    options.report(`downloading the Pulumi CLI ${version} (once; usually under a minute)`);
    await install(join(packageDir, "run.js"), options.report);
    const got = await cliVersion(pulumi).catch((error: Error) => error.message);
    if (got !== version) {
      // Left there, it would be taken for the right one the next time.
      rmSync(dirname(dirname(pulumi)), { recursive: true, force: true });
      throw new ToolchainError(
        `the downloaded Pulumi CLI is not version ${version} (${got.split("\n")[0]}) and has been removed: try again`,
      );
    }
  }
  return {
    mode: "online",
    pulumi,
    version,
    env: { ...childEnvironment(pulumi), ...(process.env.PULUMI_HOME ? { PULUMI_HOME: home } : {}) },
    line: `Pulumi ${version}, official CLI and plugins (on line)`,
  };
}
