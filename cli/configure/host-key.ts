// Whether a host is the one that it should be.
import { normaliseHostKey } from "../../settings/ssh.ts";
import { CommandError } from "../lib/command.ts";
import { fingerprint } from "../lib/ssh.ts";
import type { Dialogue } from "./dialogue.ts";

/**
 * Compares the key that a host presents with the one that is known, or has a person compare it. Nobody is asked about the
 * key of this machine itself.
 *
 * @param known the flag that can name it, and the one that was pinned before
 * @throws CommandError if it is another one, or if there is nobody to ask
 */
export async function confirmHostKey(
  dialogue: Dialogue,
  shown: string,
  { flag, pinned, isOwn = false }: { flag: string; pinned: string | undefined; isOwn?: boolean },
): Promise<string> {
  const print = fingerprint(shown);
  const wanted = dialogue.flag(flag) ?? pinned;
  if (wanted !== undefined) {
    const same = wanted.startsWith("SHA256:") ? wanted === print : normaliseHostKey(wanted).line === shown;
    if (same) return shown;
    const message = `the host presents the key ${print}, not the one that was given or set before`;
    if (!dialogue.interactive || dialogue.flag(flag) !== undefined) throw new CommandError(message);
    dialogue.warn(`Careful: ${message}.`);
  }
  if (isOwn && dialogue.flag(flag) === undefined) return shown;
  const file = `/etc/ssh/ssh_host_${shown.startsWith("ssh-ed25519") ? "ed25519" : "ecdsa"}_key.pub`;
  if (!dialogue.interactive) {
    throw new CommandError(
      `--${flag} is missing: the host presents ${print}; compare it with \`ssh-keygen -lf ${file}\` on the host`,
    );
  }
  dialogue.warn(`The host presents the key ${print}. \`ssh-keygen -lf ${file}\` on the host prints its real key.`);
  if (await dialogue.confirm("Are they the same?", false)) return shown;
  throw new CommandError("another machine answers at this address: find out which before you continue");
}
