// The sandbox's networks: who has which address, and commands that run in one of the zones. up.sh has a diagram.

import { join } from "node:path";
import { SandboxError } from "../error.ts";
import { run, type RunOptions } from "../run.ts";
import type { CommandResult } from "../sandbox.ts";

/**
 * Zones of the networks: the host, Cloudflare's edge, strangers on the internet, the routers between them, and a
 * neighbour at home if there is one.
 */
export type Place = "host" | "edge" | "out" | "net" | "lan";

/** Public addresses of the host. */
export const ORIGIN = { ipv4: "198.51.100.10", ipv6: "2001:db8:77::10" };

/** Where visitors reach the edge. */
export const EDGE = { ipv4: "104.16.0.10", ipv6: "2606:4700::10" };

/** Source addresses of the edge. It uses the first IPv6 address by default, the second one on request. */
export const EGRESS = { ipv4: "173.245.48.10", ipv6: "2400:cb00::10" };

/** Addresses of strangers. */
export const STRANGER = { ipv4: "203.0.113.5", ipv6: "2001:db8:bad::5" };

/** Addresses of the host in the network at home, of its neighbour there, and the network. */
export const LAN = {
  host: { ipv4: "192.168.1.10", ipv6: "fd00:192:168:1::10" },
  neighbour: { ipv4: "192.168.1.20", ipv6: "fd00:192:168:1::20" },
  networks: { ipv4: "192.168.1.0/24", ipv6: "fd00:192:168:1::/64" },
};

/** The host's address in the network that only this machine shares, for SSH. */
export const managementAddress = (number: number): string => `10.77.${number}.2`;

async function script(name: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await run(["bash", join(import.meta.dirname, name), ...args]);
  if (code === 0) return;
  throw new SandboxError(
    `the sandbox's networks cannot be ${name === "up.sh" ? "made" : "removed"}: ${stderr.trim().split("\n").at(-1) ?? ""}; network namespaces need root on Linux`,
  );
}

/** Makes the networks of a sandbox; what is left of former ones is removed first. */
export async function makeNetwork(number: number): Promise<void> {
  await removeNetwork(number);
  await script("up.sh", String(number));
}

/** Gives the host a second cable, to a network at home with a neighbour on it. It comes back with the host's namespace. */
export function addLan(number: number): Promise<void> {
  return script("up.sh", String(number), "lan");
}

/** Makes the host's namespace again, without the firewall that was in it. */
export function resetHostNetwork(number: number): Promise<void> {
  return script("up.sh", String(number), "host");
}

/** Removes the networks of a sandbox, also when only some of them are there. */
export function removeNetwork(number: number): Promise<void> {
  return script("down.sh", String(number));
}

/** The command that runs a command of this machine in a zone of the networks. */
export const commandAt = (number: number, place: Place, command: readonly string[]): string[] => [
  ...["ip", "netns", "exec", `ia${number}-${place}`],
  ...command,
];

/** Runs a command of this machine in a zone of the networks. */
export function runAt(
  number: number,
  place: Place,
  command: readonly string[],
  options?: RunOptions,
): Promise<CommandResult> {
  return run(commandAt(number, place, command), options);
}
