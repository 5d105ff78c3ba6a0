import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";

export interface SiteRemovalArgs {
  connection: HostConnection;
  /** Stack, zone and host, as the firewall has it. */
  owner: string;
  /** Host name of the site. */
  hostname: string;
}

/**
 * A site's place on a host. It does nothing when it is made: the steps put all sites of a host there together, so that
 * their number costs no connections. Its deletion takes the one site off the host, whatever of it is there. So it has to
 * be made after the site's Access application and its certificates, which then guard the site until it is gone, and
 * before nginx serves it.
 */
export class SiteRemoval extends pulumi.ComponentResource {
  public constructor(name: string, args: SiteRemovalArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostSite", name, {}, opts);
    const payload = { owner: args.owner, site: args.hostname };
    hostStep(`${name}-command`, { remove: "site-remove" }, args.connection, payload, { parent: this });
    this.registerOutputs({});
  }
}
