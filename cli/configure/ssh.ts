// The questions about the host.
import { userInfo } from "node:os";
import { isLoopback } from "../../settings/network.ts";
import { CommandError } from "../lib/command.ts";
import { type Connection, shownHostKey } from "../lib/ssh.ts";
import type { Dialogue } from "./dialogue.ts";
import { HTTPS_PORT } from "../../settings/topology.ts";
import { type Survey, surveyHost } from "./host.ts";
import { confirmHostKey } from "./host-key.ts";
import { hasImmich, isOwnHostKey, LOOPBACK, requireSshServer } from "./on-the-host.ts";
import { askOriginPort, PORT_FLAG } from "./origin-port.ts";
import { type Before, problemOf } from "./setting-problems.ts";
import { jumpHost, JUMP_FLAGS } from "./ssh-jump.ts";
import { askSshLogin, LOGIN_FLAGS } from "./ssh-login.ts";

/** The flags that `askHost` takes. */
export const SSH_FLAGS = [
  "ssh-address",
  "ssh-port",
  "ssh-user",
  ...LOGIN_FLAGS,
  "ssh-host-key",
  ...JUMP_FLAGS,
  PORT_FLAG,
];

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
    initial: before("sshAddress") ?? (await proposedAddress(dialogue)),
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
  const fail = (error: unknown) => {
    throw new CommandError(error instanceof Error ? error.message : String(error));
  };
  const sshJump = await jumpHost(dialogue, before).catch(fail);
  const isLocal = isLoopback(sshAddress) && sshJump === undefined;
  if (isLocal) await requireSshServer(sshAddress, sshPort);
  // Whoever leads to the host asks for the login first.
  const via = sshJump && { jump: sshJump, login: await askSshLogin(dialogue, before) };
  const shown = await shownHostKey(sshAddress, sshPort, via).catch(fail);
  const isOwn = isLocal && isOwnHostKey(shown);
  const pinned = before("sshHostKey");
  const sshHostKey = await confirmHostKey(dialogue, shown, { flag: "ssh-host-key", pinned, isOwn });
  const { username } = userInfo();
  const sshUser = await dialogue.text({
    flag: "ssh-user",
    message: "User there: root, or one who may run sudo without a password",
    initial: isOwn && !isLoopback(before("sshAddress") ?? "") ? username : (before("sshUser") ?? "root"),
    problem: problemOf("sshUser"),
  });
  const ownSite = isOwn && sshUser === username ? hostname : undefined;
  const login = via?.login ?? (await askSshLogin(dialogue, before, ownSite));
  const keepOpen = JSON.parse(before("keepOpen") ?? "[]") as string[];
  const examine = (port: number) =>
    dialogue.during("Examining the host", surveyHost(connection, hostname, keepOpen, port));
  const connection = { sshAddress, sshPort, sshUser, sshHostKey, sshJump, ...login };
  const known = Number(dialogue.flag(PORT_FLAG) ?? before("originPort") ?? HTTPS_PORT);
  const survey = await examine(known);
  const chosen = await askOriginPort(dialogue, survey, known);
  return { connection, survey: chosen === known ? survey : await examine(chosen) };
}

/** The address of this machine itself, if Immich runs on it; `undefined` if nothing is known of the host. */
async function proposedAddress(dialogue: Dialogue): Promise<string | undefined> {
  if (dialogue.flag("ssh-address") !== undefined || !(await hasImmich())) return undefined;
  dialogue.say("Immich answers on this machine, so it may be the host itself, which reaches itself at 127.0.0.1.");
  return LOOPBACK;
}
