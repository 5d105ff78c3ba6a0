import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";
import type { FirewallPayload } from "./payload.ts";

/** Cloudflare's address ranges in CIDR form. */
export interface AddressRanges {
  ipv4: pulumi.Input<string[]>;
  ipv6: pulumi.Input<string[]>;
}

export interface HostFirewallArgs {
  connection: HostConnection;
  /** Owner id: project/stack/zone/host. On delete, sites recorded under another owner are kept. */
  owner: string;
  /** The stack's sites on this host. The firewall is for all that the host has, whichever stacks they are from. */
  sites: FirewallPayload["sites"];
  /** Who may reach port 443. The host refreshes its copy daily by itself. */
  ranges: AddressRanges;
  /**
   * What to do if Docker publishes an upstream on more than loopback, which goes around ufw: `refuse` fails before
   * anything changes, `drop` drops what comes from elsewhere by a rule in the chain DOCKER-USER, which is put back before
   * Docker starts and goes with this resource.
   */
  dockerPublishedPort: FirewallPayload["dockerPublishedPort"];
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
  /** Number of the change in force; the next step takes it, so that a changed firewall gets its confirmation. */
  public readonly change: pulumi.Output<number>;

  public constructor(name: string, args: HostFirewallArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostFirewall", name, {}, opts);
    const { connection, owner, sites, ranges, dockerPublishedPort, confirmSeconds } = args;
    // The API is free to answer in any order; another order is no change.
    const sorted = (list: pulumi.Input<string[]>) => pulumi.output(list).apply((cidrs) => [...cidrs].sort());
    const answer = hostStep(
      `${name}-command`,
      "firewall",
      connection,
      {
        owner,
        sites,
        ranges: { ipv4: sorted(ranges.ipv4), ipv6: sorted(ranges.ipv6) },
        sshPort: connection.port,
        dockerPublishedPort,
        confirmSeconds,
      },
      { parent: this },
      "firewall-remove",
    );
    this.change = answer.change;
    this.registerOutputs({ change: this.change });
  }
}
