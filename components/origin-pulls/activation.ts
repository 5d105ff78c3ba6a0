import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { showProgress } from "../progress.ts";

/** How often to ask and when to give up, in milliseconds. Cloudflare documents no time; it usually takes minutes. */
const EVERY_MS = 2000;
const PATIENCE_MS = 5 * 60_000;

/** How often to ask for a status and when to give up, in milliseconds. */
export interface Timing {
  every?: number;
  patience?: number;
}

/** What Cloudflare does to something, while it does it and once it has: `activating`, `activated`. */
interface Change {
  what: string;
  doing: string;
  done: string;
}

/**
 * Asks for a status until it is the wanted one, and says so while that lasts. Warns if the time is over before.
 */
export async function waitForStatus(
  wanted: string,
  status: () => Promise<string>,
  { what, doing, done }: Change,
  { every = EVERY_MS, patience = PATIENCE_MS }: Timing = {},
): Promise<void> {
  const deadline = Date.now() + patience;
  let last = await status();
  while (last !== wanted && Date.now() < deadline) {
    const left = Math.ceil((deadline - Date.now()) / 1000).toString();
    await showProgress(`Cloudflare is ${doing} the ${what} (${last}); waiting up to ${left} s`);
    await sleep(every);
    last = await status();
  }
  if (last === wanted) return;
  await pulumi.log.warn(
    `Cloudflare has not ${done} the ${what} within ${Math.round(patience / 60_000).toString()} minutes (its status is ` +
      `${last}). Until it does, the site answers 400; you need not do anything.`,
  );
}

/**
 * Creates a hook that pauses the deployment until Cloudflare does what was just declared. The provider does not wait for
 * it. Without the pause the old certificate would be deleted, or nginx would require the new one, before the edge has
 * it, and visitors would get 400.
 *
 * On a timeout it warns and continues. That fails closed: the site answers 400 for longer.
 *
 * @param name unique name of the hook
 * @param what what is waited for, in words that follow "the"
 * @param status reads its status from the API: `active` once the edge has it
 */
export function createActivationHook(
  name: string,
  what: string,
  status: (id: string) => Promise<string>,
  timing: Timing = {},
): pulumi.ResourceHook {
  return new pulumi.ResourceHook(
    name,
    ({ id }) => waitForStatus("active", () => status(id), { what, doing: "activating", done: "activated" }, timing),
    { ignoreErrors: true },
  );
}
