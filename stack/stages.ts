import type * as pulumi from "@pulumi/pulumi";
import { each, type NonEmpty } from "../settings/topology.ts";

/** Options for what a stage makes. */
export type After = Readonly<{ dependsOn: pulumi.Input<pulumi.Resource>[] }>;

/** What a stage made for a site or a host. */
export interface Made {
  readonly resources: readonly pulumi.Input<pulumi.Resource>[];
}

/** A site, whatever has been made for it so far. */
export interface SiteState extends Made {
  readonly hostname: string;
}

/** A host, whatever has been made on it so far. */
export interface HostState extends Made {
  readonly address: string;
}

/**
 * The order in which a stack is made, one stage after another, and thereby the order in which it is deleted.
 *
 * Pulumi creates a resource after everything that it depends on, through others too. Among the resources that it deletes
 * it follows direct dependencies only: a dependency through a resource that stays does not count. A site can be deleted
 * alone, and so can a host. These direct dependencies are therefore needed, and no others:
 *
 * - what is made for a site depends on all that was made earlier for the same site, and on what all sites share;
 * - what is made on a host depends on all that was made earlier on the same host;
 * - what is made for the zone depends on what all sites share.
 *
 * What all sites share is what was made on the hosts and for the zone. Nothing depends on another site's resources, so a
 * stack's state grows with its number of sites and not with the square of it.
 */
export class Stages {
  private readonly bySite: Map<string, pulumi.Input<pulumi.Resource>[]>;
  private readonly byHost: Map<string, pulumi.Input<pulumi.Resource>[]>;
  private readonly shared: pulumi.Input<pulumi.Resource>[] = [];

  /** Begins with what sites and hosts have when they are declared. */
  public constructor(sites: readonly SiteState[], hosts: readonly HostState[]) {
    this.bySite = new Map(sites.map(({ hostname, resources }) => [hostname, [...resources]]));
    this.byHost = new Map(hosts.map(({ address, resources }) => [address, [...resources]]));
  }

  /** Runs a stage for one site. */
  public forSite<T extends SiteState, U extends Made>(site: T, make: (site: T, after: After) => U): U {
    const own = madeFor(this.bySite, site.hostname);
    return run([...own, ...this.shared], [own], (after) => make(site, after));
  }

  /** Runs a stage for all sites. */
  public forSites<T extends SiteState, U extends Made>(
    sites: NonEmpty<T>,
    make: (site: T, after: After) => U,
  ): NonEmpty<U> {
    return each(sites, (site) => this.forSite(site, make));
  }

  /** Runs a stage for every site on every host. */
  public forSitesOnHosts<S extends SiteState, H extends HostState, U extends Made>(
    sites: readonly S[],
    hosts: readonly H[],
    make: (site: S, host: H, after: After) => U,
  ): U[] {
    return hosts.flatMap((host) => {
      const onHost = madeFor(this.byHost, host.address);
      // Sites do not depend on one another on the same host either.
      const earlierOnHost = [...onHost];
      return sites.map((site) => {
        const own = madeFor(this.bySite, site.hostname);
        return run([...own, ...earlierOnHost], [own, onHost], (after) => make(site, host, after));
      });
    });
  }

  /** Runs a stage on all hosts at once. Each host serves all sites. */
  public forHosts<T extends HostState, U extends Made>(
    hosts: NonEmpty<T>,
    make: (host: T, after: After) => U,
  ): NonEmpty<U> {
    return each(hosts, (host) => {
      const own = madeFor(this.byHost, host.address);
      return run([...own], [own, this.shared], (after) => make(host, after));
    });
  }

  /** Runs a stage on one host after the other. */
  public forHostsInTurn<T extends HostState, U extends Made>(
    hosts: NonEmpty<T>,
    make: (host: T, after: After) => U,
  ): NonEmpty<U> {
    return each(hosts, (host) => {
      const own = madeFor(this.byHost, host.address);
      return run([...own, ...this.shared], [own, this.shared], (after) => make(host, after));
    });
  }

  /** Runs a stage for the whole zone. */
  public forZone(make: (after: After) => pulumi.Resource): void {
    this.shared.push(make({ dependsOn: [...this.shared] }));
  }

  /** Runs a stage after everything that has been made so far, for whatever site or host. */
  public afterAll(make: (after: After) => void): void {
    const made = new Set([...this.bySite.values(), ...this.byHost.values(), this.shared].flat());
    make({ dependsOn: [...made] });
  }
}

/** Makes something after what was made `earlier`, and adds it to the lists of those that it was made for. */
function run<U extends Made>(
  earlier: pulumi.Input<pulumi.Resource>[],
  lists: readonly pulumi.Input<pulumi.Resource>[][],
  make: (after: After) => U,
): U {
  const made = make({ dependsOn: earlier });
  for (const list of lists) list.push(...made.resources);
  return made;
}

function madeFor(
  made: ReadonlyMap<string, pulumi.Input<pulumi.Resource>[]>,
  key: string,
): pulumi.Input<pulumi.Resource>[] {
  const resources = made.get(key);
  if (!resources) throw new Error(`${key} is not among the sites and hosts that the stages began with`);
  return resources;
}
