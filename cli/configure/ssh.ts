// The questions about the host.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { normaliseHostKey, privateKeyProblem } from "../../settings/ssh.ts";
import { CommandError } from "../lib/command.ts";
import { type Connection, fingerprint, shownHostKey } from "../lib/ssh.ts";
import type { Dialogue } from "./dialogue.ts";
import { HTTPS_PORT } from "../../settings/topology.ts";
import { type Survey, surveyHost } from "./host.ts";
import { readNamed } from "./options.ts";
import { askOriginPort, PORT_FLAG } from "./origin-port.ts";
import { type Before, problemOf } from "./settings.ts";

/** The flags that `askHost` takes. */
export const SSH_FLAGS = ["ssh-address", "ssh-port", "ssh-user", "ssh-key-file", "ssh-host-key", PORT_FLAG];

/**
 * Asks how to reach the host over SSH, tries it, and surveys the host.
 *
 * @throws CommandError with the wrong answer
 */
export async function askHost(
  dialogue: Dialogue,
  before: Before,
  hostname: string,
): Promise<{ connection: Connection; survey: Survey }> {
  const sshAddress = await dialogue.text({
    flag: "ssh-address",
    message: "Address at which this machine reaches the host over SSH",
    initial: before("sshAddress"),
    problem: (value) => problemOf("sshAddress")(value) ?? (value === hostname ? "is the proxied host name" : undefined),
  });
  const port = (value: string) => problemOf("sshPort")(Number(value));
  const sshPort = Number(
    await dialogue.text({
      flag: "ssh-port",
      message: "Its SSH port",
      initial: before("sshPort") ?? "22",
      problem: port,
    }),
  );
  const shown = await shownHostKey(sshAddress, sshPort).catch((error: unknown) => {
    throw new CommandError(error instanceof Error ? error.message : String(error));
  });
  const sshHostKey = await confirmHostKey(dialogue, shown, before("sshHostKey"));
  const sshUser = await dialogue.text({
    flag: "ssh-user",
    message: "User there: root, or one who may run sudo without a password",
    initial: before("sshUser") ?? "root",
    problem: problemOf("sshUser"),
  });
  const sshPrivateKey = await askKey(dialogue, before("sshPrivateKey"));
  const keepOpen = JSON.parse(before("keepOpen") ?? "[]") as string[];
  const examine = (port: number) =>
    dialogue.during("Examining the host", surveyHost(connection, hostname, keepOpen, port));
  const connection = { sshAddress, sshPort, sshUser, sshPrivateKey, sshHostKey };
  const known = Number(dialogue.flag(PORT_FLAG) ?? before("originPort") ?? HTTPS_PORT);
  const survey = await examine(known);
  const chosen = await askOriginPort(dialogue, survey, known);
  return { connection, survey: chosen === known ? survey : await examine(chosen) };
}

async function confirmHostKey(dialogue: Dialogue, shown: string, pinned: string | undefined): Promise<string> {
  const print = fingerprint(shown);
  const wanted = dialogue.flag("ssh-host-key") ?? pinned;
  if (wanted !== undefined) {
    const same = wanted.startsWith("SHA256:") ? wanted === print : normaliseHostKey(wanted).line === shown;
    if (same) return shown;
    const message = `the host presents the key ${print}, not the one that was given or set before`;
    if (!dialogue.interactive || dialogue.flag("ssh-host-key") !== undefined) throw new CommandError(message);
    dialogue.warn(`Careful: ${message}.`);
  }
  const file = `/etc/ssh/ssh_host_${shown.startsWith("ssh-ed25519") ? "ed25519" : "ecdsa"}_key.pub`;
  if (!dialogue.interactive) {
    throw new CommandError(
      `--ssh-host-key is missing: the host presents ${print}; compare it with \`ssh-keygen -lf ${file}\` on the host`,
    );
  }
  dialogue.warn(`The host presents the key ${print}. \`ssh-keygen -lf ${file}\` on the host prints its real key.`);
  if (await dialogue.confirm("Are they the same?", false)) return shown;
  throw new CommandError("another machine answers at this address: find out which before you continue");
}

async function askKey(dialogue: Dialogue, present: string | undefined): Promise<string> {
  const usual = ["id_ed25519", "id_ecdsa", "id_rsa"].map((name) => join(homedir(), ".ssh", name)).find(existsSync);
  if (present !== undefined && dialogue.flag("ssh-key-file") === undefined) {
    const keep = { value: "keep", label: "the current one" };
    const choice = dialogue.interactive
      ? await dialogue.choose({ flag: "ssh-key", message: "Private key of that user" }, [
          keep,
          { value: "new", label: "another one" },
        ])
      : keep.value;
    if (choice === keep.value) return present;
  }
  const file = await dialogue.text({
    flag: "ssh-key-file",
    message: "File with the private key of that user, without a passphrase",
    initial: usual,
    problem: (path) => {
      try {
        const problem = privateKeyProblem(readNamed(path));
        return problem && `${problem}: ssh-keygen -t ed25519 -N "" -f ~/.ssh/immich-access`;
      } catch (error) {
        return (error as Error).message;
      }
    },
  });
  return readNamed(file);
}
