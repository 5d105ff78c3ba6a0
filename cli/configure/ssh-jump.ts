// The jump host, which a flag names: nobody is asked about it.
import { settingsSchema } from "../../settings/schema.ts";
import { CommandError } from "../lib/command.ts";
import type { JumpHost } from "../../settings/topology.ts";
import { shownHostKey } from "../lib/ssh.ts";
import type { Dialogue } from "./dialogue.ts";
import { confirmHostKey } from "./host-key.ts";
import { type Before, problemOf } from "./setting-problems.ts";

export const JUMP_FLAG = "ssh-jump";
const KEY_FLAG = "ssh-jump-host-key";

/** The flags that `jumpHost` takes. */
export const JUMP_FLAGS = [JUMP_FLAG, KEY_FLAG];

/**
 * The jump host that the flag names as `USER@ADDRESS:PORT`, of which user and port may be absent; else the present one.
 *
 * @throws CommandError with the wrong flag
 */
export async function jumpHost(dialogue: Dialogue, before: Before): Promise<JumpHost | undefined> {
  const present = settingsSchema.shape.sshJump.safeParse(JSON.parse(before("sshJump") ?? "{}")).data;
  const given = dialogue.flag(JUMP_FLAG);
  if (given === undefined) return present;
  if (given === "none") return undefined;
  const parts = /^(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:@]+))(?::(\d+))?$/.exec(given);
  const [, user = "root", ipv6, name = "", port = "22"] = parts ?? [];
  const endpoint = { address: ipv6 ?? name, port: Number(port), user };
  const problem = parts
    ? (problemOf("sshAddress")(endpoint.address) ?? problemOf("sshPort")(endpoint.port) ?? problemOf("sshUser")(user))
    : "is not of the form USER@ADDRESS:PORT";
  if (problem !== undefined) throw new CommandError(`--${JUMP_FLAG} ${given}: ${problem}`);
  const shown = await shownHostKey(endpoint.address, endpoint.port);
  return { ...endpoint, hostKey: await confirmHostKey(dialogue, shown, { flag: KEY_FLAG, pinned: present?.hostKey }) };
}
