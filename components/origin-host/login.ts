// Whether a login can work, as far as this workstation can tell.

import type { OpenSSHAgent } from "ssh2";

/**
 * The problem with an SSH agent, with its remedy; `undefined` if it answers and has a key.
 * @param socket its address, as SSH_AUTH_SOCK has it; empty if there is none
 * @param allowed `empty`: an agent without a key is no problem
 */
export async function agentProblem(socket: string, allowed: { empty?: boolean } = {}): Promise<string | undefined> {
  if (socket === "") return "there is no SSH agent (SSH_AUTH_SOCK is not set): eval $(ssh-agent) && ssh-add <key file>";
  // Loaded only here, because most stacks do not need it.
  const { default: ssh2 } = await import("ssh2");
  const keys = await keysOf(new ssh2.OpenSSHAgent(socket)).catch(() => undefined);
  if (keys === undefined)
    return "the SSH agent at SSH_AUTH_SOCK does not answer: eval $(ssh-agent) && ssh-add <key file>";
  return keys === 0 && !allowed.empty ? "the SSH agent has no key: ssh-add <key file>" : undefined;
}

const keysOf = (agent: OpenSSHAgent): Promise<number> =>
  new Promise((resolve, reject) => {
    agent.getIdentities((error, keys) => {
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
