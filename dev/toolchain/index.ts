// Where the Pulumi CLI and the provider plugins come from: the official ones where the download site answers, else a
// CLI built from its Go modules with the stand-in plugins of this folder.
import { join, resolve } from "node:path";
import { ToolchainError } from "./error.ts";
import { officialToolchain } from "./official.ts";
import { offlineToolchain } from "./offline.ts";
import { downloadsReachable } from "./reach.ts";

export { ToolchainError } from "./error.ts";

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
  /** The checkout: where package.json, node_modules/ and toolchain/ are. */
  projectDir: string;
  /** Folder for what this makes: the off-line PULUMI_HOME, the remembered answer of the download site. */
  stateDir: string;
  /** Gets one line at a time while something slow goes on (download, build). Default: nothing is told. */
  report?: (line: string) => void;
}

/**
 * Finds the toolchain and makes it ready; the first time that may take minutes, afterwards a few milliseconds.
 * `IMMICH_ACCESS_TOOLCHAIN=online|offline` decides by force.
 * @throws ToolchainError with one line about what is wrong and what to do.
 */
export async function resolveToolchain(options: ToolchainOptions): Promise<Toolchain> {
  const wanted = {
    projectDir: resolve(options.projectDir),
    stateDir: resolve(options.stateDir),
    report: options.report ?? (() => undefined),
  };
  const forced = process.env.IMMICH_ACCESS_TOOLCHAIN;
  if (forced !== undefined && forced !== "" && forced !== "online" && forced !== "offline") {
    throw new ToolchainError(
      `IMMICH_ACCESS_TOOLCHAIN is ${JSON.stringify(forced)}: set it to online or offline, or unset it`,
    );
  }
  const online = forced
    ? forced === "online"
    : await downloadsReachable({ memory: join(wanted.stateDir, "downloads-reachable.json") });
  return online ? officialToolchain(wanted) : offlineToolchain(wanted);
}
