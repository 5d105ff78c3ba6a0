// The questions about the host.
import { CommandError } from "../lib/command.ts";
import { type Connection, shownHostKey } from "../lib/ssh.ts";
import type { Dialogue } from "./dialogue.ts";
import { HTTPS_PORT } from "../../settings/topology.ts";
import { type Survey, surveyHost } from "./host.ts";
import { confirmHostKey } from "./host-key.ts";
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
  const fail = (error: unknown) => {
    throw new CommandError(error instanceof Error ? error.message : String(error));
  };
  const sshJump = await jumpHost(dialogue, before).catch(fail);
  // Whoever leads to the host asks for the login first.
  const via = sshJump && { jump: sshJump, login: await askSshLogin(dialogue, before) };
  const shown = await shownHostKey(sshAddress, sshPort, via).catch(fail);
  const sshHostKey = await confirmHostKey(dialogue, shown, { flag: "ssh-host-key", pinned: before("sshHostKey") });
  const sshUser = await dialogue.text({
    flag: "ssh-user",
    message: "User there: root, or one who may run sudo without a password",
    initial: before("sshUser") ?? "root",
    problem: problemOf("sshUser"),
  });
  const login = via?.login ?? (await askSshLogin(dialogue, before));
  const keepOpen = JSON.parse(before("keepOpen") ?? "[]") as string[];
  const examine = (port: number) =>
    dialogue.during("Examining the host", surveyHost(connection, hostname, keepOpen, port));
  const connection = { sshAddress, sshPort, sshUser, sshHostKey, sshJump, ...login };
  const known = Number(dialogue.flag(PORT_FLAG) ?? before("originPort") ?? HTTPS_PORT);
  const survey = await examine(known);
  const chosen = await askOriginPort(dialogue, survey, known);
  return { connection, survey: chosen === known ? survey : await examine(chosen) };
}
