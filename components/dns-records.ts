import { isIPv6 } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import * as cloudflare from "./cloudflare.ts";

export interface DnsRecordsArgs {
  zoneId: string;
  /** Full name of the records. */
  hostname: string;
  /** The origin's public addresses; one record each, A or AAAA by its family. Cloudflare balances between several. */
  addresses: readonly string[];
  /** What the records are for, as the dashboard shows it. */
  comment: string;
  /** Run around the creation of what is made at Cloudflare. */
  hooks?: pulumi.ResourceHookBinding;
}

/** Name of an address's record in the stack; `component` is the name of the component that it belongs to. */
export const recordName = (component: string, address: string) =>
  `${component}-${isIPv6(address) ? "aaaa" : "a"}-${address.replace(/[.:]+/g, "-")}`;

/**
 * The proxied records that put the site on the internet, so the last thing to be created and the first to go. A record
 * that already exists under this name is an error of the API (81057): import it or remove it.
 */
export class DnsRecords extends pulumi.ComponentResource {
  public constructor(name: string, args: DnsRecordsArgs, opts?: pulumi.ComponentResourceOptions) {
    const { hooks = {}, ...inputs } = args;
    // A record that goes alone, because its host does, has to go before that, so it depends on it itself.
    const dependsOn = opts?.dependsOn ?? [];
    super("immich-access:index:DnsRecords", name, inputs, opts);
    for (const address of args.addresses) {
      const type = isIPv6(address) ? "AAAA" : "A";
      new cloudflare.DnsRecord(
        recordName(name, address),
        {
          zoneId: args.zoneId,
          name: args.hostname,
          type,
          content: address,
          proxied: true,
          // 1 stands for automatic, the only value that Cloudflare takes for proxied records.
          ttl: 1,
          comment: args.comment,
        },
        { parent: this, hooks, dependsOn },
      );
    }
    this.registerOutputs({});
  }
}
