import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./cloudflare-account.ts";
import { showProgress } from "./progress.ts";
import { resolveValue } from "./resolve-value.ts";

/** Others have measured 60 to 90 s on live accounts until Access stands in front of a new application. */
const IN_FORCE_AFTER_MS = 120_000;
const EVERY_MS = 5000;

/** An Access application at Cloudflare. */
export interface DeployedApplication {
  accountId: string;
  id: pulumi.Input<string>;
}

/**
 * Creates a hook that waits until Access is in force for a host name. It is for hosts that do not check Access's tokens
 * themselves: there nothing else keeps strangers from Immich meanwhile, because the name can lead to the host already.
 *
 * Whether Access is in force cannot be asked of a name that does not exist yet, so what counts is the application's age.
 *
 * @param name unique name of the hook
 * @param open opens a client of the API
 */
export function createEnforcementHook(
  name: string,
  { accountId, id }: DeployedApplication,
  open: () => Promise<Account>,
  { every = EVERY_MS, after = IN_FORCE_AFTER_MS } = {},
): pulumi.ResourceHook {
  return new pulumi.ResourceHook(name, async () => {
    const [api, applicationId] = [await open(), await resolveValue(id)];
    const path = `accounts/${accountId}/access/apps/${applicationId}`;
    const application = await api.find<{ created_at?: string }>(path);
    if (!application) throw new Error(`Access has no application ${applicationId}; run \`pulumi up --refresh\``);
    // An age that cannot be told, or that lies in the future, counts as none.
    const age = Math.max(0, Date.now() - Date.parse(application.created_at ?? "")) || 0;
    for (const end = Date.now() + after - age; Date.now() < end;) {
      const left = end - Date.now();
      const progress = `Access takes up to two minutes to stand in front of a new name; ${Math.ceil(left / 1000).toString()} s left`;
      await showProgress(progress);
      await sleep(Math.min(every, left));
    }
  });
}
