import * as pulumi from "@pulumi/pulumi";
import { resolveValue } from "../components/resolve-value.ts";
import { userError } from "../settings/error.ts";
import type { Settings } from "../settings/index.ts";
import { agentProblem, agentSocket, keyProblem } from "../components/origin-host/ssh-login.ts";

/** The settings that say how to log in to the hosts. */
type Login = Pick<Settings, "sshAgent" | "sshPrivateKey" | "sshPrivateKeyPassphrase">;

/**
 * Makes sure that the SSH agent or the key can be used, before anything changes.
 * @throws RunError with the remedy
 */
export async function requireLogin({ sshAgent, sshPrivateKey, sshPrivateKeyPassphrase }: Login): Promise<void> {
  if (sshAgent) {
    const problem = await agentProblem(agentSocket());
    if (problem !== undefined) throw userError(`sshAgent is true, and ${problem}; nothing has been changed`);
    return;
  }
  if (sshPrivateKey && sshPrivateKeyPassphrase) {
    const problem = await keyProblem(await resolveValue(sshPrivateKey), await resolveValue(sshPrivateKeyPassphrase));
    if (problem !== undefined) throw userError(`${problem}; nothing has been changed`);
  }
  // The provider asks the agent, too, and its connection fails with one that does not answer.
  const socket = process.env["SSH_AUTH_SOCK"] ?? "";
  if (socket !== "" && (await agentProblem(socket, { empty: true })) !== undefined) {
    await pulumi.log.warn(
      "SSH_AUTH_SOCK names an SSH agent that does not answer, so connections to the host will fail: unset SSH_AUTH_SOCK",
    );
  }
}
