// The questions about the host.
import { normaliseHostKey } from "../../settings/ssh.ts";
import { CommandError } from "../lib/command.ts";
import { type Connection, fingerprint, shownHostKey } from "../lib/ssh.ts";
import type { Dialogue } from "./dialogue.ts";
import { HTTPS_PORT } from "../../settings/topology.ts";
import { type Survey, surveyHost } from "./host.ts";
import { askOriginPort, PORT_FLAG } from "./origin-port.ts";
import { type Before, problemOf } from "./settings.ts";
import { askSshLogin, LOGIN_FLAGS } from "./ssh-login.ts";

/** The flags that `askHost` takes. */
export const SSH_FLAGS = ["ssh-address", "ssh-port", "ssh-user", ...LOGIN_FLAGS, "ssh-host-key", PORT_FLAG];

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
  const login = await askSshLogin(dialogue, before);
  const keepOpen = JSON.parse(before("keepOpen") ?? "[]") as string[];
  const examine = (port: number) =>
    dialogue.during("Examining the host", surveyHost(connection, hostname, keepOpen, port));
  const connection = { sshAddress, sshPort, sshUser, sshHostKey, ...login };
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
