import type { Sandbox } from "../sandbox/sandbox.ts";
import type { SandboxSettings } from "./stack.ts";

/** The settings that only the running sandbox knows: the three addresses that tell it from the real world, and keys. */
export function sandboxSettings(sandbox: Sandbox): SandboxSettings {
  return {
    plain: {
      apiUrl: sandbox.apiUrl,
      sshAddress: sandbox.sshTarget.host,
      sshHostKey: sandbox.sshTarget.hostKey,
    },
    secret: { apiToken: sandbox.token, sshPrivateKey: sandbox.sshTarget.privateKey },
  };
}
