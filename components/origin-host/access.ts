import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";

/** A site and its Access application. */
export interface GuardedSite {
  /** Host name of the site, which nginx serves with its token check on. */
  hostname: string;
  /** Audience tag of the site's Access application. */
  audience: pulumi.Input<string>;
}

export interface HostAccessArgs {
  connection: HostConnection;
  /** Domain of the Zero Trust team, which signs the tokens and publishes its keys. */
  teamDomain: string;
  sites: readonly GuardedSite[];
}

/**
 * Opens each site for requests with a token of its Access application, which the host verifies itself: signature,
 * audience, issuer and time. Without this nginx refuses every request.
 */
export class HostAccess extends pulumi.ComponentResource {
  /** Whose tokens open the sites, one line for each. */
  public readonly summary: pulumi.Output<string>;

  public constructor(name: string, args: HostAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostAccess", name, {}, opts);
    const step = hostStep(
      `${name}-command`,
      { apply: "access" },
      args.connection,
      {
        teamDomain: args.teamDomain,
        sites: args.sites.map(({ hostname, audience }) => ({ site: hostname, audience })),
      },
      { parent: this },
    );
    this.summary = step.stdout;
    this.registerOutputs({ summary: this.summary });
  }
}
