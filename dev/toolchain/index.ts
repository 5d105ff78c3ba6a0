// Where the Pulumi CLI and the provider plugins come from: the official ones where the download site answers, else a
// CLI built from its Go modules with the stand-in plugins of this folder.
import { join, resolve } from "node:path";
import { ToolchainError } from "./error.ts";
import { officialToolchain } from "./official.ts";
import { offlineToolchain } from "./offline.ts";
import { downloadsReachable } from "./reach.ts";
import type { Toolchain, ToolchainOptions } from "./toolchain.ts";

export { ToolchainError } from "./error.ts";
export type { Toolchain } from "./toolchain.ts";

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
