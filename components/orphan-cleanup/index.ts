import * as pulumi from "@pulumi/pulumi";
import { NoAnswerError, readAnswer } from "../origin-host/answer.ts";
import { account, type Account } from "./api.ts";
import { requireNewSecret } from "./secret.ts";
import { findOrphanedCertificates, SEARCHES, type Site, type Orphan } from "./orphans.ts";
import { valueOf } from "./value.ts";

export interface OrphanCleanupArgs extends Site {
  /** Base address of Cloudflare's API, without a slash at its end. */
  apiUrl: string;
  apiToken: pulumi.Output<string>;
}

/**
 * Removes what a creation has left at Cloudflare whose answer never arrived: the provider repeats a request that was cut
 * off, and forgets one that failed, although either may have had its effect. A service token made that way would stay
 * valid, unknown to anybody here; a DNS record or an application would keep the next attempt from being made.
 *
 * Hooks look before each creation, for what an earlier `up` has left, and after it, for what the provider's own second
 * attempt has. They ask nothing when nothing is created.
 */
export class OrphanCleanup {
  /** For the resources at Cloudflare; also finds out when the answer with a device's new secret was lost. */
  public readonly creation: pulumi.ResourceHookBinding;
  /**
   * Runs after the step that installs the origin certificate, on the last host that gets it. Only there it is certain
   * which certificate is in use: a second one for the same key can also be the one that is about to take the first
   * one's place.
   */
  public readonly installation: pulumi.ResourceHook;

  public constructor({ apiUrl, apiToken, zoneId, hostname }: OrphanCleanupArgs) {
    const site = { zoneId, hostname };
    const open = async () => account(apiUrl, await valueOf(apiToken));
    const search = new pulumi.ResourceHook(`${hostname}-orphans`, async ({ type, id, newInputs: inputs = {} }) => {
      const find = SEARCHES[type];
      if (!find) throw new Error(`no search for ${type}`);
      const api = await open();
      await remove(api, await find(api, { inputs, ...(id && { id }) }, site));
    });
    const secret = new pulumi.ResourceHook(`${hostname}-device-secrets`, (args) => requireNewSecret(hostname, args));
    this.creation = { beforeCreate: [search], afterCreate: [search], afterUpdate: [secret] };
    this.installation = new pulumi.ResourceHook(
      `${hostname}-orphaned-certificates`,
      async ({ newOutputs, oldOutputs }) => {
        const installed = installedCertificates(newOutputs);
        const former = oldOutputs ? installedCertificates(oldOutputs) : new Map<string, string>();
        const own = installed?.get(hostname);
        // Without the former certificate, the one that is about to be revoked would look like an orphan.
        if (own === undefined || former === undefined) return;
        const api = await open();
        await remove(api, await findOrphanedCertificates(api, site, own, former.get(hostname)));
      },
    );
  }
}

async function remove(api: Account, orphans: readonly Orphan[]): Promise<void> {
  for (const { path, what } of orphans) {
    await api.remove(path);
    await pulumi.log.warn(
      `Cloudflare had another ${what} (${path.split("/").at(-1) ?? ""}), which nothing uses: the answer to its creation ` +
        "was lost. It has been removed; nothing needs to be done.",
    );
  }
}

/**
 * Fingerprints of the certificates that the host's step `certificates` has installed, by host name; `undefined` if its
 * output is from before version 0.2.0, or from something else than the step, which the step's component reports.
 */
function installedCertificates(outputs: Record<string, unknown> | undefined): Map<string, string> | undefined {
  try {
    const { sites } = readAnswer("certificates", String(outputs?.stdout));
    return new Map(sites.map(({ hostname, fingerprint }) => [hostname, fingerprint]));
  } catch (error) {
    if (error instanceof NoAnswerError) return undefined;
    throw error;
  }
}
