// Off line: a PULUMI_HOME of our own with the CLI built from Go modules, our language host and our plugins.
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { buildCli, wantedCli } from "./build.ts";
import { ToolchainError } from "./error.ts";
import { childEnvironment, type Toolchain, type ToolchainOptions } from "./toolchain.ts";

/** The stand-in plugins: folder in plugins/ and the version of the official plugin that each replaces. */
export const standIns: Readonly<Record<string, string>> = { cloudflare: "6.22.1", command: "1.2.1", tls: "5.6.1" };

const shellQuote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** Where the CLI is kept for all checkouts of this user. */
function sharedCache(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "immich-access");
}

/** A shell script that becomes Node running one TypeScript file of this checkout. */
function launcher(node: string, home: string, program: string): string {
  return [
    "#!/bin/sh",
    `export NODE_COMPILE_CACHE="\${NODE_COMPILE_CACHE:-${join(home, "compiled")}}"`,
    `exec ${shellQuote(node)} --disable-warning=ExperimentalWarning ${shellQuote(program)} "$@"`,
    "",
  ].join("\n");
}

function writeExecutable(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, text, { mode: 0o755 });
  renameSync(fresh, path);
}

/** Puts the cached CLI into the home: as a hard link, which the engine resolves to the home's own folder, or a copy. */
function placeCli(cached: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}`;
  rmSync(fresh, { force: true });
  try {
    linkSync(cached, fresh);
  } catch {
    copyFileSync(cached, fresh); // another file system
  }
  renameSync(fresh, path);
}

/** Scripts of the home by path. */
function scripts(projectDir: string, home: string): Record<string, string> {
  const bundled = join(projectDir, "node_modules", ".bin", "node");
  const node = existsSync(bundled) ? bundled : process.execPath;
  const here = import.meta.dirname;
  return {
    [join(home, "bin", "pulumi-language-nodejs")]: launcher(node, home, join(here, "language-host", "main.ts")),
    ...Object.fromEntries(
      Object.entries(standIns).map(([name, version]) => [
        join(home, "plugins", `resource-${name}-v${version}`, `pulumi-resource-${name}`),
        launcher(node, home, join(here, "plugins", name, "main.ts")),
      ]),
    ),
  };
}

/**
 * Puts a file where the CLI would create a folder, which disables it. The CLI would log every operation in detail there, up
 * to 500 MB, for a third of the time that it takes itself.
 */
function forgoLogs(path: string): void {
  rmSync(path, { recursive: true, force: true });
  writeFileSync(path, "");
}

/**
 * The off-line toolchain in `<stateDir>/pulumi-home`; builds the CLI when no checkout of this user has done so yet.
 * @throws ToolchainError when the CLI cannot be built or the home cannot be written.
 */
export async function offlineToolchain(options: Required<ToolchainOptions>): Promise<Toolchain> {
  const home = join(options.stateDir, "pulumi-home");
  const pulumi = join(home, "bin", "pulumi");
  const wanted = wantedCli(join(import.meta.dirname, "cli"));
  const files = scripts(options.projectDir, home);
  const stamp = join(home, "toolchain.json");
  const content = JSON.stringify({ cli: wanted, files, logs: false }, null, 1);

  const complete = () =>
    existsSync(stamp) && readFileSync(stamp, "utf8") === content && [pulumi, ...Object.keys(files)].every(existsSync);
  if (!complete()) {
    const cached = await buildCli({ ...wanted, cacheDir: join(sharedCache(), "pulumi-cli"), report: options.report });
    try {
      placeCli(cached, pulumi);
      for (const [path, text] of Object.entries(files)) writeExecutable(path, text);
      forgoLogs(join(home, "logs"));
      writeFileSync(stamp, content);
    } catch (error) {
      throw new ToolchainError(`cannot write the off-line Pulumi home ${home}: ${(error as Error).message}`);
    }
  }
  return {
    mode: "offline",
    pulumi,
    version: wanted.version,
    env: {
      ...childEnvironment(pulumi),
      PULUMI_HOME: home,
      // Only what lies in this home is used, and nothing is looked for on a site that does not answer.
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
    },
    line: `Pulumi ${wanted.version}, built from its Go modules, with this project's stand-in plugins (off line)`,
  };
}
