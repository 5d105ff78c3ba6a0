import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";

export interface HostNginxArgs {
  connection: HostConnection;
  /** Host name of the site; nginx refuses every other. */
  hostname: string;
  /** Where Immich is, as address:port. */
  upstream: string;
  /**
   * Whether a request needs a token of the site's Access application. Then nobody gets in before `HostAccess` has named
   * that.
   */
  tokenCheck: boolean;
  /** Summary of the certificates step. */
  certificates: pulumi.Input<string>;
}

/**
 * The site in nginx: TLS with the origin certificate, only for clients with the origin-pull certificate, and what
 * Immich asks of a reverse proxy. It is checked, reloaded without a restart, probed, and taken back if the probe fails.
 */
export class HostNginx extends pulumi.ComponentResource {
  /** One line about the site. */
  public readonly summary: pulumi.Output<string>;

  public constructor(name: string, args: HostNginxArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostNginx", name, {}, opts);
    const step = hostStep(
      `${name}-command`,
      "nginx",
      args.connection,
      {
        site: args.hostname,
        certificates: args.certificates,
        upstream: args.upstream,
        tokenCheck: args.tokenCheck,
      },
      { parent: this },
    );
    this.summary = step.stdout;
    this.registerOutputs({ summary: this.summary });
  }
}
