import { readFileSync } from "node:fs";
import { run } from "../../../dev/sandbox/run.ts";
import { startTestHost, type TestHost } from "../../support/host.ts";
import type { World } from "./world.ts";

/** Public addresses of a further host in the networks of a world. */
export interface Place {
  ipv4: string;
  ipv6: string;
}

/** Those of the first further host, of the second, and so on. */
export const placeOf = (number: number): Place => ({
  ipv4: `198.51.${100 + number}.10`,
  ipv6: `2001:db8:${77 + number}::10`,
});

export const SECOND_ORIGIN = placeOf(1);

/** A second real host in a world's networks, beside the world's own, with another Immich on it. */
export interface SecondHost {
  /** Its entry in the setting `moreHosts`, but for `originAddresses`. */
  settings: { sshAddress: string; sshHostKey: string; closeOthers: boolean };
  /** What a shell command line prints on it. Throws if the command line fails. */
  inside(command: string): Promise<string>;
  close(): Promise<void>;
}

/**
 * Boots one. It accepts the world's SSH key, and its route to the internet leads to the world's edge and strangers.
 * Close it before the world.
 */
export async function startSecondHost({ sandbox }: World, place = SECOND_ORIGIN): Promise<SecondHost> {
  const host = await startTestHost({ ca: sandbox.publicCaPath });
  try {
    await connect(host.number, sandbox.number, place);
    const key = readFileSync(`${sandbox.sshTarget.keyFile}.pub`, "utf8");
    await inside(host, "cat >>/root/.ssh/authorized_keys", key);
    await host.installImmich();
    const sshHostKey = (await inside(host, "cat /etc/ssh/ssh_host_ed25519_key.pub")).trim();
    return {
      // Debian's own page on port 80 may be shut.
      settings: { sshAddress: host.address, sshHostKey, closeOthers: true },
      inside: (command) => inside(host, command),
      close: () => host.close(),
    };
  } catch (error) {
    await host.close();
    throw error;
  }
}

async function inside(host: TestHost, command: string, input = ""): Promise<string> {
  const { code, stdout, stderr } = await host.inside(command, { input });
  if (code !== 0) throw new Error(`«${command}» failed on the second host: ${stderr}`);
  return stdout;
}

/** Pulls the host's cable out of its own router and puts it into that of the world, as dev/sandbox/network/up.sh does. */
const CONNECT = `
set -eu
host=ia$1-host net=ia$2-net v4=\${3%.*} v6=\${4%::*} cable=to-$1
ip -n "$host" link del wan0
ip -n "$net" link add "$cable" type veth peer name wan0 netns "$host"
ip -n "$net" addr add "$v4.1/24" dev "$cable"
ip -n "$net" -6 addr add "$v6::1/64" dev "$cable" nodad
ip -n "$net" link set "$cable" up
ip -n "$host" addr add "$3/24" dev wan0
ip -n "$host" -6 addr add "$4/64" dev wan0 nodad
ip -n "$host" link set wan0 up
ip -n "$host" route add default via "$v4.1"
ip -n "$host" -6 route add default via "$v6::1" dev wan0`;

async function connect(host: number, world: number, { ipv4, ipv6 }: Place): Promise<void> {
  const args = [host, world, ipv4, ipv6].map(String);
  const { code, stderr } = await run(["sh", "-c", CONNECT, "connect", ...args]);
  if (code !== 0) throw new Error(`the second host cannot be connected to the world: ${stderr}`);
}
