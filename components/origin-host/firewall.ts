import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";

/** Cloudflare's address ranges in CIDR form. */
export interface AddressRanges {
  ipv4: pulumi.Input<string[]>;
  ipv6: pulumi.Input<string[]>;
}

/** A site that Cloudflare reaches on this host. */
export interface ReachedSite {
  /** Host name of the site. */
  hostname: string;
  /** What its upstream is: Immich, or immich-public-proxy. */
  serves: "immich" | "shares";
  /**
   * Port on which that listens on this host; none if it runs elsewhere. Published
   * by Docker on more than loopback it goes around ufw.
   */
  upstreamPort?: number | undefined;
}

export interface HostFirewallArgs {
  connection: HostConnection;
  /** Stack, zone and host, as the sites' places have it too: what somebody else has put there stays when this goes. */
  owner: string;
  /** The stack's sites on this host. The firewall is for all that the host has, whichever stacks they are from. */
  sites: readonly ReachedSite[];
  /** Who may reach port 443. The host refreshes its copy daily by itself. */
  ranges: AddressRanges;
  /**
   * What to do where Docker does publish it so: `refuse` fails before anything changes, `drop` drops what comes from
   * elsewhere by a rule in the chain DOCKER-USER, which is put back before Docker starts and goes with this resource.
   */
  dockerPublishedPort: "refuse" | "drop";
  /** Seconds after which a change undoes itself unless a new SSH connection has come through. */
  confirmSeconds: number;
}

/**
 * Prepares the host: installs nginx and ufw where they are missing, and lets only SSH and, on port 443, Cloudflare in.
 *
 * SSH is allowed before ufw is enabled, and a change rolls itself back unless the next step's new connection gets
 * through. After a destroy ufw stays enabled with SSH allowed: closing is safe at any time, opening is not. Port 443 stays
 * open to Cloudflare as long as another stack has a site on the host.
 */
export class HostFirewall extends pulumi.ComponentResource {
  /** One line about what is in force; the next step takes it, so that a changed firewall gets its confirmation. */
  public readonly summary: pulumi.Output<string>;

  public constructor(name: string, args: HostFirewallArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostFirewall", name, {}, opts);
    // The API is free to answer in any order; another order is no change.
    const sorted = (list: pulumi.Input<string[]>) => pulumi.output(list).apply((ranges) => [...ranges].sort());
    const step = hostStep(
      `${name}-command`,
      { apply: "firewall", remove: "firewall-remove" },
      args.connection,
      {
        owner: args.owner,
        sites: args.sites.map(({ hostname, serves, upstreamPort }) => ({
          site: hostname,
          serves,
          upstreamPort: upstreamPort ?? null,
        })),
        ranges: { ipv4: sorted(args.ranges.ipv4), ipv6: sorted(args.ranges.ipv6) },
        sshPort: args.connection.port,
        dockerPublishedPort: args.dockerPublishedPort,
        confirmSeconds: args.confirmSeconds,
      },
      { parent: this },
    );
    this.summary = step.stdout;
    this.registerOutputs({ summary: this.summary });
  }
}
