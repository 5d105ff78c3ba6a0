import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Toolchain } from "../../../toolchain/index.ts";
import { standIns } from "../../../toolchain/offline.ts";

/** Provider plugins that run as long as the tests that need them. */
export interface Providers {
  /** What tells an engine where they are. */
  env: Record<string, string>;
  stop(): void;
}

/** The engine starts its plugins itself. */
export const NONE: Providers = { env: {}, stop: () => undefined };

/**
 * Starts the stand-in plugins once for many operations, each of which would otherwise spend a good part of its time on
 * starting them anew. How an engine starts and ends them itself, `npm start` and the conformance tests show.
 */
export async function startProviders({ mode, env }: Toolchain): Promise<Providers> {
  if (mode === "online") return NONE;
  const started = await Promise.all(
    Object.entries(standIns).map(async ([name, version]) => {
      const program = join(env["PULUMI_HOME"] ?? "", `plugins/resource-${name}-v${version}/pulumi-resource-${name}`);
      const child = spawn(program, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] });
      return { child, place: `${name}:${await firstLine(child)}` };
    }),
  );
  return {
    env: { PULUMI_DEBUG_PROVIDERS: started.map(({ place }) => place).join(",") },
    stop: () => {
      for (const { child } of started) child.kill();
    },
  };
}

async function firstLine(child: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return line;
}
