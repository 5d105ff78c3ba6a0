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
  /** The stack's sites on this host. The firewall also serves sites of other stacks on the same host. */
  sites: FirewallPayload["sites"];
  /** Allowlist for port 443. The host refreshes its copy daily by itself. */
  ranges: AddressRanges;
  /**
   * What to do if Docker publishes an upstream on more than loopback, which bypasses ufw. `refuse` fails before
   * anything changes. `drop` drops packets from other machines by a rule in the chain DOCKER-USER, which is restored
   * before Docker starts and deleted with this resource.
   */
  dockerPublishedPort: FirewallPayload["dockerPublishedPort"];
  /** Seconds after which a change is rolled back unless a new SSH connection has confirmed it. */
  confirmSeconds: number;
}

/**
 * Prepares the host: installs nginx and ufw if they are missing, and allows only SSH and, on port 443, Cloudflare.
 *
 * SSH is allowed before ufw is enabled. A change is rolled back unless the next step's new connection confirms it.
 * After a destroy ufw stays enabled with SSH allowed: blocking is safe at any time, opening is not. Port 443 stays open
 * to Cloudflare as long as another stack has a site on the host.
 */
export class HostFirewall extends pulumi.ComponentResource {
  /** Number of the change in force. The next step depends on it, so that it runs and confirms the change. */
  public readonly change: pulumi.Output<number>;

  public constructor(name: string, args: HostFirewallArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostFirewall", name, {}, opts);
    const { connection, owner, sites, ranges, dockerPublishedPort, confirmSeconds } = args;
    // Sorted, because the API may return the ranges in any order.
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
