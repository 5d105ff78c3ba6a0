// A world as it was: the host's disk, Cloudflare's state and the stack, kept in a folder and put back from it.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { State } from "../../../dev/sandbox/api/state.ts";
import type { Host } from "../../../dev/sandbox/host/host.ts";
import { resetHostNetwork } from "../../../dev/sandbox/network/network.ts";
import { hostFolder } from "../../../dev/sandbox/parts.ts";
import { run } from "../../../dev/sandbox/run.ts";
import type { World } from "../../e2e/support/world.ts";
import { restoreStack, saveStack } from "./engine.ts";

/** What a host has written, below the folder of its disk. */
const WRITTEN = ["upper", "local", "log", "root"];

async function copy(from: string, to: string): Promise<void> {
  mkdirSync(to, { recursive: true });
  // Files of an overlay keep what hides others in device files and attributes, which only `cp -a` copies.
  const { code, stderr } = await run(["cp", "-a", "--one-file-system", ...WRITTEN.map((name) => join(from, name)), to]);
  if (code !== 0) throw new Error(`the host's disk cannot be copied: ${stderr.trim()}`);
}

/** Keeps a world as it is now. */
export async function save(world: World, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await world.sandbox.runOnHost(["sync"]);
  await copy(join(hostFolder(world.stateDir), "disk"), join(folder, "disk"));
  writeFileSync(join(folder, "cloudflare.json"), JSON.stringify(await world.api.state()), { mode: 0o600 });
  saveStack(world.deployment, folder);
}

/** Puts a world back; its host has been booted then. */
export async function restore(world: World, host: Host, folder: string): Promise<void> {
  const disk = join(hostFolder(world.stateDir), "disk");
  await host.halt();
  for (const name of [...WRITTEN, "work"]) rmSync(join(disk, name), { recursive: true, force: true });
  await copy(join(folder, "disk"), disk);
  await resetHostNetwork(world.sandbox.number);
  await host.boot();
  await world.api.clearFaults();
  await world.api.alter(JSON.parse(readFileSync(join(folder, "cloudflare.json"), "utf8")) as State);
  restoreStack(world.deployment, folder);
  await immichAnswers(world);
}

/** Waits for Immich on a host that has just been booted. */
export async function immichAnswers({ sandbox }: World): Promise<void> {
  const ask = ["curl", "--silent", "--fail", "--output", "/dev/null", "http://127.0.0.1:2283/api/server/ping"];
  for (const end = Date.now() + 20_000; (await sandbox.runOnHost(ask)).code !== 0; await sleep(50)) {
    if (Date.now() > end) throw new Error("Immich does not answer after a boot");
  }
}
