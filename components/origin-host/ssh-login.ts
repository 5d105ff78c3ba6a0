// Whether a login can work, as far as this workstation can tell.

import type { OpenSSHAgent } from "ssh2";

/** Milliseconds that an agent may take: one that is there answers at once. */
const ANSWER_MS = 5000;

/** sshd ends a connection after six keys that it does not know (MaxAuthTries). */
const MOST_KEYS = 5;

/** Where OpenSSH's agent listens on Windows, and where the provider asks for it. */
const WINDOWS_PIPE = String.raw`\\.\pipe\openssh-ssh-agent`;

/** The address of this workstation's SSH agent: SSH_AUTH_SOCK, or the pipe of Windows; empty if there is none. */
export const agentSocket = (environment = process.env, platform = process.platform): string =>
  environment["SSH_AUTH_SOCK"] ?? (platform === "win32" ? WINDOWS_PIPE : "");

/**
 * The problem with an SSH agent, with its remedy; `undefined` if it answers and has a key.
 * @param socket its address, as SSH_AUTH_SOCK has it; empty if there is none
 * @param allowed `empty`: an agent without a key is no problem
 */
export async function agentProblem(socket: string, allowed: { empty?: boolean } = {}): Promise<string | undefined> {
  if (socket === "") return "there is no SSH agent (SSH_AUTH_SOCK is not set): eval $(ssh-agent) && ssh-add <key file>";
  // Loaded only here, because it is not needed without an agent and a passphrase.
  const { default: ssh2 } = await import("ssh2");
  const keys = await keysOf(new ssh2.OpenSSHAgent(socket)).catch(() => undefined);
  if (keys === undefined) {
    return socket === WINDOWS_PIPE
      ? "there is no SSH agent: Start-Service ssh-agent; ssh-add <key file>"
      : "the SSH agent at SSH_AUTH_SOCK does not answer: eval $(ssh-agent) && ssh-add <key file>";
  }
  if (allowed.empty) return undefined;
  if (keys === 0) return "the SSH agent has no key that this program can use: ssh-add <key file>";
  return keys > MOST_KEYS
    ? `the SSH agent offers ${keys.toString()} keys, and sshd takes so many failures for an attack: keep only that of the host in an agent of its own`
    : undefined;
}

const keysOf = (agent: OpenSSHAgent): Promise<number> =>
  new Promise((resolve, reject) => {
    // ssh2 waits for an agent for ever.
    const timer = setTimeout(() => {
      reject(new Error("no answer in time"));
    }, ANSWER_MS);
    agent.getIdentities((error, keys) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve(keys?.length ?? 0);
    });
  });

/** The problem with a private key and its passphrase; `undefined` if the one opens the other. Quotes neither. */
export async function keyProblem(key: string, passphrase: string): Promise<string | undefined> {
  const { default: ssh2 } = await import("ssh2");
  return ssh2.utils.parseKey(key, passphrase) instanceof Error
    ? "sshPrivateKeyPassphrase does not open sshPrivateKey: pulumi config set --secret sshPrivateKeyPassphrase"
    : undefined;
}
