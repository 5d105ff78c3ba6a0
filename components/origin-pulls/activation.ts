import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";

/** How often to ask, and when to give up, in milliseconds. Cloudflare names no time; minutes are usual. */
const EVERY = 2000;
const PATIENCE = 5 * 60_000;

/**
 * Makes a hook that holds the deployment after an upload until Cloudflare presents the new certificate. The provider
 * does not wait: it would take the old certificate away, or let nginx insist on the new one, while the edge still has
 * none to show, and visitors would get 400 in the meantime.
 *
 * When the time is up it warns and goes on: nothing is less safe for it, the site only answers 400 for longer.
 *
 * @param name unique name of the hook
 * @param status reads the certificate's status from the API
 */
export function untilActive(
  name: string,
  status: (certificateId: string) => Promise<string>,
  { every = EVERY, patience = PATIENCE } = {},
): pulumi.ResourceHook {
  return new pulumi.ResourceHook(
    name,
    async ({ id }) => {
      const deadline = Date.now() + patience;
      let last = await status(id);
      while (last !== "active" && Date.now() < deadline) {
        await sleep(every);
        last = await status(id);
      }
      if (last !== "active") {
        await pulumi.log.warn(
          `Cloudflare has not put the origin-pull certificate ${id} into use within ${Math.round(patience / 60_000)} ` +
            `minutes (its status is ${last}). Until it does, the site answers 400; nothing needs to be done here.`,
        );
      }
    },
    { ignoreErrors: true },
  );
}
