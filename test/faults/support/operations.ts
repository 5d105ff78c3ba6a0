// The operations on a stack in which faults are injected.

import type { World } from "../../e2e/support/world.ts";

/** `up` from nothing, a later `up` that changes all that can change without a new host name, and `destroy`. */
export const OPERATIONS = ["up", "update", "destroy"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Readies a world for an operation whose base it is in. */
export async function prepare({ api, deployment }: World, operation: Operation): Promise<void> {
  if (operation !== "update") return;
  const { ips } = await api.state();
  await api.alter({ ips: { ...ips, ipv4_cidrs: ips.ipv4_cidrs.slice(0, -1) } });
  await deployment.configure({ sessionDuration: "12h", devices: ["annas-phone"] });
}

/** Runs an operation. @param refresh reads everything from Cloudflare first, as `--refresh` does. */
export async function perform({ deployment }: World, operation: Operation, refresh = false): Promise<void> {
  if (refresh) await deployment.refresh();
  await (operation === "destroy" ? deployment.destroy() : deployment.up());
}

/** Whether the site is online after an operation. */
export const online = (operation: Operation): boolean => operation !== "destroy";
