import * as pulumi from "@pulumi/pulumi";
import { DnsRecords, type DnsRecordsArgs } from "./dns-records.ts";

export type PublicSharesArgs = Omit<DnsRecordsArgs, "comment">;

/**
 * Puts public shares online: a site in front of immich-public-proxy, for links that were shared in Immich. Everybody
 * sees them, so there is no Access application under this name; what keeps the rest of Immich in is nginx, which passes
 * on only the addresses that immich-public-proxy has. The policy pack lets records without Access pass in here alone.
 */
export class PublicShares extends pulumi.ComponentResource {
  /** Address of the shares, without a path. */
  public readonly url: string;

  public constructor(name: string, args: PublicSharesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:PublicShares", name, {}, opts);
    const comment = "Public shares of Immich, without Cloudflare Access";
    // A record that goes alone, because its host does, has to go before that, so it depends on it directly.
    const { dependsOn = [] } = opts ?? {};
    new DnsRecords(`${name}-dns`, { ...args, comment }, { parent: this, dependsOn });
    this.url = `https://${args.hostname}`;
    this.registerOutputs({ url: this.url });
  }
}
