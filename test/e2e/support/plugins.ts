import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Toolchain } from "../../../dev/toolchain/index.ts";
import { standIns } from "../../../dev/toolchain/offline.ts";

/** The language host and the provider plugins, running as long as the tests that need them. */
export interface Plugins {
  /** What tells an engine where they are. */
  env: Record<string, string>;
  stop(): void;
}

/** The engine starts its plugins itself. */
export const NONE: Plugins = { env: {}, stop: () => undefined };

/**
 * Starts the off-line toolchain's plugins once for many operations, each of which would otherwise spend a good part of
 * its time on starting them anew. How an engine starts and ends them itself, `npm start` and the conformance tests show.
 * @param record gets what they, and the programs that the language host runs, print.
 */
export async function startPlugins({ mode, env }: Toolchain, record: (text: string) => void): Promise<Plugins> {
  if (mode === "online") return NONE;
  const home = env["PULUMI_HOME"] ?? "";
  const children: ChildProcessByStdio<null, Readable, Readable>[] = [];
  const start = async (path: string) => {
    const child = spawn(join(home, path), { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => record(chunk.toString()));
    const [port] = (await once(createInterface(child.stdout), "line")) as [string];
    return port;
  };
  const providers = Object.entries(standIns).map(
    async ([name, version]) => `${name}:${await start(`plugins/resource-${name}-v${version}/pulumi-resource-${name}`)}`,
  );
  const [language, ...places] = await Promise.all([start("bin/pulumi-language-nodejs"), ...providers]);
  return {
    env: { PULUMI_DEBUG_LANGUAGES: `nodejs:${language}`, PULUMI_DEBUG_PROVIDERS: places.join(",") },
    stop: () => {
      for (const child of children) child.kill();
    },
  };
}
