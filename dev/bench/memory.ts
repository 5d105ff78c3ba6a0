// What programs on the host keep in memory: each page that several share is counted once.

import type { World } from "../../test/e2e/support/world.ts";
import { onHost } from "./servers.ts";

/** Prints the kB of each process in a list. */
const SIZES = `while read -r pid; do sed -n 's/^Pss: *\\([0-9]*\\) kB$/\\1/p' "/proc/$pid/smaps_rollup"; done`;

/** All that this program runs on the host, and its files in memory, in MiB. */
export function ofOurs(world: World): Promise<number> {
  const ours = "grep -l '/immich-access-' /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3";
  // nginx may just be deleting one of its files.
  return sum(world, `{ ${ours} | ${SIZES}; du -sk /run/immich-access-* | cut -f1; } 2>/dev/null || true`);
}

/** nginx's processes, in MiB. */
export function ofNginx(world: World): Promise<number> {
  return sum(world, `pgrep -x nginx | ${SIZES}`);
}

async function sum(world: World, command: string): Promise<number> {
  const sizes = (await onHost(world, command)).trim().split("\n").map(Number);
  const total = sizes.reduce((before, size) => before + size, 0) / 1024;
  if (!(total > 0)) throw new Error(`the host says no memory: ${command}`);
  return total;
}
