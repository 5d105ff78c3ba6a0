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
   * Audience tag of the site's Access application. The host then lets in requests with a token of that application only,
   * which it verifies itself: signature, audience, issuer and time. Without one it believes whatever Cloudflare sends.
   * Shares have none.
   */
  audience?: pulumi.Input<string> | undefined;
}

export interface HostNginxArgs {
  connection: HostConnection;
  /** Stack, zone and host, as the firewall has it: what the stack has given up before nginx served it goes by that. */
  owner: string;
  /** Domain of the Zero Trust team, which signs the tokens and publishes its keys; for sites with an audience. */
  teamDomain: string;
  sites: readonly ServedSite[];
  /** Summary of the certificates step. */
  certificates: pulumi.Input<string>;
}

/**
 * The sites in nginx: TLS with the origin certificate, only for clients with the origin-pull certificate, only for
 * requests that Access has let through, and what the service behind it asks of a reverse proxy. They are checked,
 * loaded without a restart, probed, and taken back if a probe fails.
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
        owner: args.owner,
        certificates: args.certificates,
        teamDomain: args.teamDomain,
        sites: args.sites.map(({ hostname, audience, ...site }) => ({
          site: hostname,
          ...site,
          tokenCheck: audience !== undefined,
          audience: audience ?? null,
        })),
      },
      { parent: this },
    );
    this.summary = step.stdout;
    this.registerOutputs({ summary: this.summary });
  }
}
