import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";

export interface HostNginxArgs {
  connection: HostConnection;
  /** Host name of the site; nginx refuses every other. */
  hostname: string;
  /** What is served: Immich, or no more than the pages of immich-public-proxy, which everybody may see. */
  serves: "immich" | "shares";
  /** Where that is, as address:port. The step fails if it is to serve shares and Immich itself answers there. */
  upstream: string;
  /**
   * Whether a request needs a token of the site's Access application. Then nobody gets in before `HostAccess` has named
   * that. Never for shares.
   */
  tokenCheck: boolean;
  /** Summary of the certificates step. */
  certificates: pulumi.Input<string>;
}

/**
 * A site in nginx: TLS with the origin certificate, only for clients with the origin-pull certificate, and what the
 * service behind it asks of a reverse proxy. It is checked, reloaded without a restart, probed, and taken back if the probe fails.
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
        serves: args.serves,
        upstream: args.upstream,
        tokenCheck: args.tokenCheck,
      },
      { parent: this },
    );
    this.summary = step.stdout;
    this.registerOutputs({ summary: this.summary });
  }
}
