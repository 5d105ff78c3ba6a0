// What the official and the off-line toolchain have in common.
import { execFile } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { promisify } from "node:util";

/** A CLI that is there and works, and what a child process needs to use it. */
export interface Toolchain {
  mode: "online" | "offline";
  /** Absolute path of the CLI. */
  pulumi: string;
  /** The CLI's version, without a leading "v". */
  version: string;
  /** Variables to set on top of the current environment. */
  env: Record<string, string>;
  /** One line that tells which toolchain is used. */
  line: string;
}

export interface ToolchainOptions {
  /** The checkout: where package.json, node_modules/ and dev/toolchain/ are. */
  projectDir: string;
  /** Folder for what this makes: the off-line PULUMI_HOME, the remembered answer of the download site. */
  stateDir: string;
  /** Gets one line at a time while something slow goes on (download, build). Default: silent. */
  report?: (line: string) => void;
}

/** What every child gets: our CLI first on the path, and no check for newer versions. */
export function childEnvironment(pulumi: string): Record<string, string> {
  return {
    PATH: `${dirname(pulumi)}${delimiter}${process.env.PATH ?? ""}`,
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
}

/** What `pulumi version` of the CLI at `path` prints, without the leading "v". */
export async function cliVersion(path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ["version"], {
    timeout: 30_000,
    env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
  });
  return stdout.trim().replace(/^v/, "");
}
