import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";

/** A site as nginx serves it. */
export interface ServedSite {
  /** Host name of the site; nginx refuses every name that no site has. */
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
}

export interface HostNginxArgs {
  connection: HostConnection;
  sites: readonly ServedSite[];
  /** Summary of the certificates step. */
  certificates: pulumi.Input<string>;
}

/**
 * The sites in nginx: TLS with the origin certificate, only for clients with the origin-pull certificate, and what the
 * service behind it asks of a reverse proxy. They are checked, loaded without a restart, probed, and taken back if a
 * probe fails.
 */
export class HostNginx extends pulumi.ComponentResource {
  /** One line about the sites. */
  public readonly summary: pulumi.Output<string>;

  public constructor(name: string, args: HostNginxArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostNginx", name, {}, opts);
    const step = hostStep(
      `${name}-command`,
      { apply: "nginx" },
      args.connection,
      {
        certificates: args.certificates,
        sites: args.sites.map(({ hostname, ...site }) => ({ site: hostname, ...site })),
      },
      { parent: this },
    );
    this.summary = step.stdout;
    this.registerOutputs({ summary: this.summary });
  }
}
