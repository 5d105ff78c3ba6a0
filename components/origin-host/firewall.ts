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
  /** Networks that a rule of this program's for SSH lets in; anywhere if empty. None is added if the owner's own do. */
  sshFrom: FirewallPayload["sshFrom"];
  /** What stays open besides SSH and port 443, in ufw's words. Deleted with this resource. */
  keepOpen: FirewallPayload["keepOpen"];
  /** Whether to shut what else the host serves when its firewall is turned on. Otherwise the step stops before that. */
  closeOthers: boolean;
  /** Seconds after which a change is rolled back unless a new SSH connection has confirmed it. */
  confirmSeconds: number;
}

/**
 * Prepares the host: installs nginx and ufw if they are missing, and allows only SSH and, on port 443, Cloudflare.
 *
 * SSH is allowed before ufw is enabled, and no wider than the owner's rules allow it. A change is rolled back unless the
 * next step's new connection confirms it. A destroy gives back what ufw was before: off, if it was off and nobody has
 * used it since. Port 443 stays open to Cloudflare as long as another stack has a site on the host.
 */
export class HostFirewall extends pulumi.ComponentResource {
  /** Number of the change in force. The next step depends on it, so that it runs and confirms the change. */
  public readonly change: pulumi.Output<number>;

  public constructor(name: string, args: HostFirewallArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostFirewall", name, {}, opts);
    const { connection, ranges, ...settings } = args;
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
      },
      { parent: this },
      "firewall-remove",
    );
    this.change = answer.change;
    this.registerOutputs({ change: this.change });
  }
}
