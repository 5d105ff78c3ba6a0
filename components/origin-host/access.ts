import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";

export interface HostAccessArgs {
  connection: HostConnection;
  /** Host name of the site, which nginx serves with its token check on. */
  hostname: string;
  /** Audience tag of the site's Access application. */
  audience: pulumi.Input<string>;
  /** Domain of the Zero Trust team, which signs the tokens and publishes its keys. */
  teamDomain: string;
}

/**
 * Opens the site for requests with a token of its Access application, which the host verifies itself: signature,
 * audience, issuer and time. Without this, and after its deletion, nginx refuses every request.
 */
export class HostAccess extends pulumi.ComponentResource {
  /** One line about whose tokens open the site. */
  public readonly summary: pulumi.Output<string>;

  public constructor(name: string, args: HostAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostAccess", name, {}, opts);
    const step = hostStep(
      `${name}-command`,
      "access",
      args.connection,
      { site: args.hostname, audience: args.audience, teamDomain: args.teamDomain },
      { parent: this },
    );
    this.summary = step.stdout;
    this.registerOutputs({ summary: this.summary });
  }
}
