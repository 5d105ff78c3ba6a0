import * as pulumi from "@pulumi/pulumi";
import { hostStepOnDelete, type HostConnection } from "./host-step.ts";

export interface SiteRemovalArgs {
  connection: HostConnection;
  /** Owner id as in the firewall step. */
  owner: string;
  /** Host name of the site. */
  hostname: string;
}

/**
 * A delete-only resource: creating it does nothing, deleting it removes the site from the host, however far it was
 * installed.
 *
 * The other steps install all sites of a host together, so that the number of connections does not grow with the sites.
 * This resource is created after the site's Access application and certificates, which therefore protect the site until
 * it has been removed, and before nginx serves it.
 */
export class SiteRemoval extends pulumi.ComponentResource {
  public constructor(name: string, args: SiteRemovalArgs, opts?: pulumi.ComponentResourceOptions) {
    // The type from before 0.2.0: another one would change the URN.
    super("immich-access:index:HostSite", name, {}, opts);
    const { connection, owner, hostname } = args;
    hostStepOnDelete(`${name}-command`, "site-remove", connection, { owner, hostname }, { parent: this });
    this.registerOutputs({});
  }
}
