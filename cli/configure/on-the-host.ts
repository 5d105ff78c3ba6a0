// Whether this machine is the host itself, which it then reaches over SSH to its own loopback address.
import { readFileSync } from "node:fs";
import net from "node:net";
import { isPong } from "../../components/site-check/answers.ts";
import { CommandError } from "../lib/command.ts";

/** Where a machine reaches itself. */
export const LOOPBACK = "127.0.0.1";

/** Where Immich's stock `docker-compose.yml` publishes it. */
const IMMICH = `http://${LOOPBACK}:2283/api/server/ping`;

/** Milliseconds that an answer from this machine may take. */
const ANSWER_MS = 2000;

/** Whether Immich answers on this machine, at its usual port. Only Linux hosts are served, so others are not asked. */
export async function hasImmich(url = IMMICH, platform = process.platform): Promise<boolean> {
  if (platform !== "linux") return false;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS), redirect: "manual" });
    const body = (await answer.text()).slice(0, 1000);
    return isPong({ status: answer.status, location: "", isChallenge: false, body });
  } catch {
    return false;
  }
}

/**
 * Makes sure that an SSH server listens on this machine.
 *
 * @throws CommandError with what installs or starts one
 */
export async function requireSshServer(address: string, port: number): Promise<void> {
  const refused = await new Promise<boolean>((resolve) => {
    const socket = net.connect({ host: address, port, timeout: ANSWER_MS });
    const end = (isRefused: boolean) => () => {
      socket.destroy();
      resolve(isRefused);
    };
    socket.on("connect", end(false));
    socket.on("timeout", end(false));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      end(code === "ECONNREFUSED")();
    });
  });
  if (!refused) return;
  throw new CommandError(
    `no SSH server listens on port ${port.toString()} of this machine: sudo apt-get install openssh-server, or ` +
      "sudo systemctl enable --now ssh if it is installed; --ssh-port names another port",
  );
}

/**
 * Whether a host key is this machine's own: at a loopback address a tunnel may show another machine's.
 *
 * @param shown the key, `<type> <base64>`
 * @param folder where sshd keeps its keys
 */
export function isOwnHostKey(shown: string, folder = "/etc/ssh"): boolean {
  const type = shown.startsWith("ssh-ed25519") ? "ed25519" : "ecdsa";
  try {
    const own = readFileSync(`${folder}/ssh_host_${type}_key.pub`, "utf8");
    return own.split(/\s+/).slice(0, 2).join(" ") === shown;
  } catch {
    return false;
  }
}
