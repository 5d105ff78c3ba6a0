import * as pulumi from "@pulumi/pulumi";
import { DnsRecords, type DnsRecordsArgs } from "./dns-records.ts";

export type PublicSharesArgs = Omit<DnsRecordsArgs, "comment">;

/**
 * Puts public shares online: a site in front of immich-public-proxy, for links that were shared in Immich. The shares
 * are public, so this name has no Access application. nginx protects the rest of Immich by an allowlist of
 * immich-public-proxy's paths. The policy pack allows records without Access only inside this component.
 */
export class PublicShares extends pulumi.ComponentResource {
  /** Address of the shares, without a path. */
  public readonly url: string;
  /** Ids of the DNS records, known when all exist. */
  public readonly recordIds: pulumi.Output<string[]>;

  public constructor(name: string, args: PublicSharesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:PublicShares", name, {}, opts);
    const comment = "Public shares of Immich, without Cloudflare Access";
    // Each record depends on its host directly: a record that is deleted together with its host must be deleted first.
    const { dependsOn = [] } = opts ?? {};
    const records = new DnsRecords(`${name}-dns`, { ...args, comment }, { parent: this, dependsOn });
    this.recordIds = records.recordIds;
    this.url = `https://${args.hostname}`;
    this.registerOutputs({ url: this.url });
  }
}
