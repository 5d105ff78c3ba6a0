import { isIPv6 } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import * as cloudflare from "./cloudflare.ts";

export interface DnsRecordsArgs {
  zoneId: string;
  /** Full name of the records. */
  hostname: string;
  /** The origin's public addresses; one record each, A or AAAA by its family. Cloudflare balances between several. */
  addresses: readonly string[];
  /** Comment on the records, which the dashboard shows. */
  comment: string;
  /** Hooks for the resources at Cloudflare. */
  hooks?: pulumi.ResourceHookBinding;
}

/** Resource name of an address's record; `component` is the name of its component. */
export const recordName = (component: string, address: string) =>
  `${component}-${isIPv6(address) ? "aaaa" : "a"}-${address.replace(/[.:]+/g, "-")}`;

/**
 * The proxied records that put the site on the internet. They are created last and deleted first. If a record of this
 * name already exists, the API fails with error 81057: import the record or delete it.
 */
export class DnsRecords extends pulumi.ComponentResource {
  /** Ids of the records, known when all exist. */
  public readonly recordIds: pulumi.Output<string[]>;

  public constructor(name: string, args: DnsRecordsArgs, opts?: pulumi.ComponentResourceOptions) {
    const { hooks = {}, ...inputs } = args;
    // Each record depends on its host directly: a record that is deleted together with its host must be deleted first.
    const dependsOn = opts?.dependsOn ?? [];
    super("immich-access:index:DnsRecords", name, inputs, opts);
    const records = args.addresses.map((address) => {
      const type = isIPv6(address) ? "AAAA" : "A";
      return new cloudflare.DnsRecord(
        recordName(name, address),
        {
          zoneId: args.zoneId,
          name: args.hostname,
          type,
          content: address,
          proxied: true,
          // 1 means automatic, the only value that Cloudflare accepts for proxied records.
          ttl: 1,
          comment: args.comment,
        },
        { parent: this, hooks, dependsOn },
      );
    });
    this.recordIds = pulumi.all(records.map(({ id }) => id));
    this.registerOutputs({});
  }
}
