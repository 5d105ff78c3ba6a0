import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { showProgress } from "../progress.ts";

/** How often to ask and when to give up, in milliseconds. Cloudflare documents no time; it usually takes minutes. */
const EVERY_MS = 2000;
export const PATIENCE_MS = 5 * 60_000;

/** How often to ask for a status and when to give up, in milliseconds. */
export interface Timing {
  every?: number;
  patience?: number;
}

/**
 * Asks for a status until it is the wanted one, and says so while that lasts.
 * @param progress what happens, in words that a time can follow
 * @returns the last status: another one if the time is over
 */
export async function waitForStatus(
  wanted: string,
  status: () => Promise<string>,
  progress: (status: string) => string,
  { every = EVERY_MS, patience = PATIENCE_MS }: Timing = {},
): Promise<string> {
  const deadline = Date.now() + patience;
  let last = await status();
  while (last !== wanted && Date.now() < deadline) {
    const left = Math.ceil((deadline - Date.now()) / 1000).toString();
    await showProgress(`${progress(last)}; waiting up to ${left} s`);
    await sleep(every);
    last = await status();
  }
  return last;
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
    async ({ id }) => {
      const progress = (now: string) => `Cloudflare is activating the ${what} (${now})`;
      const last = await waitForStatus("active", () => status(id), progress, timing);
      if (last !== "active") {
        await pulumi.log.warn(
          `Cloudflare has not activated the ${what} within ${Math.round((timing.patience ?? PATIENCE_MS) / 60_000).toString()} minutes (its ` +
            `status is ${last}). Until it does, the site answers 400; you need not do anything.`,
        );
      }
    },
    { ignoreErrors: true },
  );
}
