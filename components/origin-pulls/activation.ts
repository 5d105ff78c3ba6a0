import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { showProgress } from "../progress.ts";

/** How often to ask and when to give up, in milliseconds. Cloudflare documents no time; it usually takes minutes. */
const EVERY = 2000;
const PATIENCE = 5 * 60_000;

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
  { every = EVERY, patience = PATIENCE } = {},
): pulumi.ResourceHook {
  return new pulumi.ResourceHook(
    name,
    async ({ id }) => {
      const deadline = Date.now() + patience;
      let last = await status(id);
      while (last !== "active" && Date.now() < deadline) {
        const left = Math.ceil((deadline - Date.now()) / 1000).toString();
        const progress = `Cloudflare is activating the ${what} (${last}); waiting up to ${left} s`;
        await showProgress(progress);
        await sleep(every);
        last = await status(id);
      }
      if (last !== "active") {
        await pulumi.log.warn(
          `Cloudflare has not activated the ${what} within ${Math.round(patience / 60_000).toString()} minutes (its ` +
            `status is ${last}). Until it does, the site answers 400; you need not do anything.`,
        );
      }
    },
    { ignoreErrors: true },
  );
}
