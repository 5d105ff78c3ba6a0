import { isIPv6 } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import * as cloudflare from "./cloudflare.ts";
import type { ORIGIN_TYPES } from "./dns-record-types.ts";

/**
 * Where a site's records lead: to the origin's public addresses, one A or AAAA record each, between which Cloudflare
 * balances; or to a name that somebody else keeps up to date, by one CNAME record.
 */
export type OriginTarget = { addresses: readonly string[] } | { name: string };

/** The target by the settings; an empty name means none. */
export const targetOf = (originName: string, addresses: readonly string[]): OriginTarget =>
  originName === "" ? { addresses } : { name: originName };

export interface DnsRecordsArgs {
  zoneId: string;
  /** Full name of the records. */
  hostname: string;
  target: OriginTarget;
  /** Comment on the records, which the dashboard shows. */
  comment: string;
  /** Hooks for the resources at Cloudflare. */
  hooks?: pulumi.ResourceHookBinding;
}

/** A record's type and content. */
export interface RecordContent {
  type: (typeof ORIGIN_TYPES)[number];
  content: string;
}

/** The records that lead to a target. */
export const recordsOf = (target: OriginTarget): RecordContent[] =>
  "name" in target
    ? [{ type: "CNAME", content: target.name }]
    : target.addresses.map((address) => ({ type: isIPv6(address) ? "AAAA" : "A", content: address }));

/**
 * Resource name of a record; `component` is the name of its component. A name has only one CNAME, so a change of what it
 * names is an update in place.
 */
export const recordName = (component: string, { type, content }: RecordContent): string =>
  type === "CNAME" ? `${component}-cname` : `${component}-${type.toLowerCase()}-${content.replace(/[.:]+/g, "-")}`;

/**
 * The proxied records that put the site on the internet. They are created last and deleted first. If a record of this
 * name already exists, the API fails with error 81057: import the record or delete it.
 */
export class DnsRecords extends pulumi.ComponentResource {
  /** Ids of the records, known when all exist. */
  public readonly recordIds: pulumi.Output<string[]>;

  public constructor(name: string, args: DnsRecordsArgs, opts?: pulumi.ComponentResourceOptions) {
    const { hooks = {}, target, ...rest } = args;
    // As they have always been stored for addresses.
    const inputs = { ...rest, ...target };
    // Each record depends on its host directly: a record that is deleted together with its host must be deleted first.
    const dependsOn = opts?.dependsOn ?? [];
    super("immich-access:index:DnsRecords", name, inputs, opts);
    const records = recordsOf(target).map(
      ({ type, content }) =>
        new cloudflare.DnsRecord(
          recordName(name, { type, content }),
          {
            zoneId: args.zoneId,
            name: args.hostname,
            type,
            content,
            proxied: true,
            // 1 means automatic, the only value that Cloudflare accepts for proxied records.
            ttl: 1,
            comment: args.comment,
          },
          { parent: this, hooks, dependsOn },
        ),
    );
    this.recordIds = pulumi.all(records.map(({ id }) => id));
    this.registerOutputs({});
  }
}
