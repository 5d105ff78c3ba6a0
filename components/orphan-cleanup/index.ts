import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { NoAnswerError, readAnswer } from "../origin-host/answer.ts";
import type { Account } from "../cloudflare-account.ts";
import { showProgress } from "../progress.ts";
import { requireNewSecret } from "./secret.ts";
import { DELETED, findOrphanedCertificates, LEAVING, type Orphan, SEARCHES, type Site } from "./orphans.ts";

/** How long a deleted object may take to go, and how often to look, in milliseconds. */
const LEAVING_MS = 120_000;
const POLL_MS = 1000;

export interface OrphanCleanupArgs extends Site {
  api: { open: () => Promise<Account> };
}

/**
 * Deletes orphans at Cloudflare: resources that were created, but whose response was lost. The provider retries a
 * request that was cut off and forgets one that failed, although either may have taken effect. An orphaned service
 * token would stay valid without anybody knowing; an orphaned DNS record or application would block the next creation.
 *
 * Hooks search before each creation for orphans of an earlier `up`, and after it for orphans of the provider's retry.
 * They send no request when nothing is created.
 */
export class OrphanCleanup {
  /** For the resources at Cloudflare. Also fails if the response with a device's new secret was lost. */
  public readonly creation: pulumi.ResourceHookBinding;
  /**
   * Runs after the last host has installed the origin certificate. Earlier, a second certificate for the same key could
   * be the one about to be installed.
   */
  public readonly installation: pulumi.ResourceHook;

  public constructor({ api: { open }, zoneId, hostname }: OrphanCleanupArgs) {
    const site = { zoneId, hostname };
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
        // The former certificate is about to be revoked by the provider; without knowing it, we would mistake it for an
        // orphan.
        if (own === undefined || former === undefined) return;
        const api = await open();
        await remove(api, await findOrphanedCertificates(api, site, own, former.get(hostname)));
      },
    );
  }
}

async function remove(api: Account, orphans: readonly Orphan[]): Promise<void> {
  for (const orphan of orphans) {
    const { path, what, status } = orphan;
    if (status !== LEAVING) {
      await api.remove(path);
      await pulumi.log.warn(
        `Cloudflare had another ${what} (${path.split("/").at(-1) ?? ""}), which nothing uses: the response to its ` +
          "creation was lost. It has been deleted; you need not do anything.",
      );
    }
    if (status !== undefined) await untilDeleted(api, orphan);
  }
}

/** Waits until Cloudflare has let go of a deleted object. Ends without it after a while: the creation says the rest. */
async function untilDeleted(api: Account, { path, what }: Orphan): Promise<void> {
  for (const end = Date.now() + LEAVING_MS; Date.now() < end; await sleep(POLL_MS)) {
    const found = await api.find<{ status?: string }>(path);
    if (found === undefined || found.status === DELETED) return;
    await showProgress(`waiting until Cloudflare has deleted the former ${what}`);
  }
}

/**
 * Fingerprints of the certificates that the step `certificates` installed, by host name. `undefined` for an output of a
 * version before 0.2.0, or of something other than the step; the step's component reports the latter.
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
