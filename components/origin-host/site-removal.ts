import * as pulumi from "@pulumi/pulumi";
import { hostStepOnDelete, type HostConnection } from "./host-step.ts";

export interface SiteRemovalArgs {
  connection: HostConnection;
  /** Owner id, as the firewall has it. */
  owner: string;
  /** Host name of the site. */
  hostname: string;
}

/**
 * A delete-only resource: creating it does nothing, deleting it removes the site from the host, whatever of it is there.
 *
 * The steps put all sites of a host there together, so that more of them cost no more connections. This is created after
 * the site's Access application and certificates, which then protect the site until it is gone, and before nginx serves
 * it.
 */
export class SiteRemoval extends pulumi.ComponentResource {
  public constructor(name: string, args: SiteRemovalArgs, opts?: pulumi.ComponentResourceOptions) {
    // The name from before 0.2.0: another type would be another URN.
    super("immich-access:index:HostSite", name, {}, opts);
    const { connection, owner, hostname } = args;
    hostStepOnDelete(`${name}-command`, connection, { owner, hostname }, { parent: this });
    this.registerOutputs({});
  }
}
