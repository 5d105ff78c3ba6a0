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
  /** Where nginx serves the sites. */
  originPort: FirewallPayload["originPort"];
  /** Allowlist for that port. The host refreshes its copy daily by itself. */
  ranges: AddressRanges;
  /** Private networks in CIDR form that reach the sites' upstreams on this host directly, without Cloudflare. */
  homeNetworks: readonly string[];
  /** Networks that a rule of this program's for SSH lets in; anywhere if empty. None is added if the owner's own do. */
  sshFrom: FirewallPayload["sshFrom"];
  /** What stays open besides SSH and the sites' port, in ufw's syntax. Deleted with this resource. */
  keepOpen: FirewallPayload["keepOpen"];
  /** Whether to shut what else the host serves when its firewall is turned on. Otherwise the step stops before that. */
  closeOthers: boolean;
  /** Seconds after which a change is rolled back unless a new SSH connection has confirmed it. */
  confirmSeconds: number;
}

/**
 * Prepares the host: installs nginx, ufw and nftables if they are missing, closes the ports of what the sites serve, and
 * allows only SSH and, on the sites' port, Cloudflare.
 *
 * The ports are closed first, in a table of nftables of our own, however Docker publishes them. Only the host itself, its
 * containers and `homeNetworks` reach them.
 *
 * SSH is allowed before ufw is enabled, and no wider than the owner's rules allow it. A change is rolled back unless the
 * next step's new connection confirms it. A destroy gives back what ufw was before: off, if it was off and nobody has
 * used it since. A port stays open to Cloudflare as long as another stack has a site there.
 */
export class HostFirewall extends pulumi.ComponentResource {
  /** Number of the change in force. The next step depends on it, so that it runs and confirms the change. */
  public readonly change: pulumi.Output<number>;

  public constructor(name: string, args: HostFirewallArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostFirewall", name, {}, opts);
    const { connection, ranges, homeNetworks, ...settings } = args;
    // Sorted, because the API may return the ranges in any order.
    const sorted = (list: pulumi.Input<string[]>) => pulumi.output(list).apply((cidrs) => [...cidrs].sort());
    const answer = hostStep(
      `${name}-command`,
      "firewall",
      connection,
      {
        ...settings,
        ranges: { ipv4: sorted(ranges.ipv4), ipv6: sorted(ranges.ipv6) },
        sshPort: connection.port,
        homeNetworks: [...homeNetworks].sort(),
      },
      { parent: this },
      "firewall-remove",
    );
    this.change = answer.change;
    this.registerOutputs({ change: this.change });
  }
}
