import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";

/** How often to ask and when to give up, in milliseconds. Cloudflare documents no time; it usually takes minutes. */
const EVERY = 2000;
const PATIENCE = 5 * 60_000;

/**
 * Creates a hook that pauses the deployment after an upload until Cloudflare presents the new certificate. The provider
 * does not wait for it. Without the pause the old certificate would be deleted, or nginx would require the new one,
 * before the edge has it, and visitors would get 400.
 *
 * On a timeout it warns and continues. That fails closed: the site answers 400 for longer.
 *
 * @param name unique name of the hook
 * @param status reads the certificate's status from the API
 */
export function createActivationHook(
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
          `Cloudflare has not activated the origin-pull certificate ${id} within ${Math.round(patience / 60_000)} ` +
            `minutes (its status is ${last}). Until it does, the site answers 400; you need not do anything.`,
        );
      }
    },
    { ignoreErrors: true },
  );
}
