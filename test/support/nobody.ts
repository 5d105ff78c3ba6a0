import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { join } from "node:path";

const PROJECT = join(import.meta.dirname, "../..");
const NOBODY = "65534";

/** Path of the checkout for a program that `asNobody` runs. */
export const NOBODYS_PROJECT = "/mnt";
/** Node there. */
export const NOBODYS_NODE = join(NOBODYS_PROJECT, "node_modules/node/bin/node");

/**
 * Runs Node as a user who may do nothing. The checkout may be in a folder that only root can enter, as root's home is, so
 * it is shown to the program in another place.
 */
export function asNobody(args: readonly string[], env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  const script = `/usr/bin/mount --bind "$1" "$2" && shift 2 && exec /usr/bin/setpriv "$@"`;
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  return spawnSync(
    "/usr/bin/unshare",
    ["--mount", "/bin/sh", "-c", script, "sh", PROJECT, NOBODYS_PROJECT, ...user, NOBODYS_NODE, ...args],
    { encoding: "utf8", env },
  );
}
