import * as pulumi from "@pulumi/pulumi";
import { cloudflareRanges } from "../components/ip-ranges.ts";
import type { AddressRanges } from "../components/origin-host/firewall.ts";
import {
  FormerPort,
  HostCertificates,
  type HostConnection,
  HostFirewall,
  HostNginx,
  OtherPort,
  SiteRemoval,
} from "../components/origin-host/index.ts";
import { hostsOf, otherPort, type NonEmpty, type OriginHost } from "../settings/topology.ts";
import type { HostWithCertificates, ProtectedSite, ServingHost, Site, SiteWithRule } from "./site.ts";
import type { StackContext } from "./context.ts";
import type { After, HostState } from "./stages.ts";

/** What a host has from its declaration on. */
interface HostIdentity {
  /** Address for SSH. */
  address: string;
  own: OriginHost;
  connection: HostConnection;
  /** Project, stack, zone and host: who has put a site on the host. The zone tells stacks of the same name apart. */
  owner: string;
  /** Whether no other host gets its certificates later. */
  last: boolean;
  /** Begins the names of the host's resources; empty for the main host, which can move to another address. */
  prefix: string;
}

/** A machine that serves all sites. Each step on it is for all of them, so more sites cost no more SSH connections. */
export class Host implements HostState {
  public readonly address: string;
  public readonly firewall: HostFirewall;
  public readonly resources: readonly pulumi.Input<pulumi.Resource>[];
  private readonly identity: HostIdentity;

  /** Closes the sites' port to all but Cloudflare's address ranges. */
  public constructor(
    { settings }: StackContext,
    identity: HostIdentity,
    sites: readonly Site[],
    ranges: AddressRanges,
  ) {
    this.address = identity.address;
    this.identity = identity;
    this.firewall = new HostFirewall(`${identity.prefix}firewall`, {
      connection: identity.connection,
      owner: identity.owner,
      sites: sites.map((site) => ({
        hostname: site.hostname,
        serves: site.serves,
        upstream: site.upstreamOn(identity.own),
      })),
      ranges,
      originPort: settings.originPort,
      homeNetworks: identity.own.homeNetworks,
      sshFrom: identity.own.sshFrom,
      keepOpen: identity.own.keepOpen,
      closeOthers: identity.own.closeOthers,
      confirmSeconds: settings.confirmSeconds,
    });
    this.resources = [answered(this.firewall, this.firewall.change)];
  }

  /** Installs the sites' certificates. The step's new SSH connection confirms the change of the firewall. */
  public installCertificates(sites: readonly Site[], after: After): CertifiedHost {
    const { connection, last, prefix } = this.identity;
    const installed = sites.map(({ orphanCleanup }) => orphanCleanup.installation);
    const certificates = new HostCertificates(
      `${prefix}certificates`,
      {
        connection,
        after: this.firewall.change.apply((change) => `firewall change ${change.toString()}`),
        sites: sites.map(({ hostname, originCertificate, clientAuthentication }) => ({
          hostname,
          certificate: originCertificate.certificatePem,
          privateKey: originCertificate.privateKeyPem,
          clientCa: clientAuthentication.caPem,
        })),
        // Once the last host has its certificates, the others that Cloudflare has issued are in use nowhere.
        ...(last && { hooks: { afterCreate: installed, afterUpdate: installed } }),
      },
      after,
    );
    return new CertifiedHost(this.identity, certificates);
  }
}

/** A host with the certificates of all sites. */
export class CertifiedHost implements HostWithCertificates {
  public readonly address: string;
  public readonly resources: readonly pulumi.Input<pulumi.Resource>[];
  private readonly identity: HostIdentity;
  public readonly certificates: HostCertificates;

  public constructor(identity: HostIdentity, certificates: HostCertificates) {
    this.address = identity.address;
    this.identity = identity;
    this.certificates = certificates;
    this.resources = [answered(certificates, certificates.installed)];
  }

  /** Prepares the removal of a site from this host, which comes before that of its Access application. */
  public prepareRemoval(site: ProtectedSite, after: After): SiteOnHost {
    const { connection, owner, prefix } = this.identity;
    const removal = new SiteRemoval(
      site.site.resourceName(`${prefix}on-host`),
      { connection, owner, hostname: site.hostname },
      after,
    );
    return { site, address: this.address, resources: [removal] };
  }

  /** Prepares the way back to port 443, if the sites are served on another one. */
  public prepareReturn({ settings }: StackContext, after: After): HostState {
    const { connection, owner, prefix } = this.identity;
    const resources =
      otherPort(settings) === undefined ? [] : [new OtherPort(`${prefix}other-port`, { connection, owner }, after)];
    return { address: this.address, resources };
  }

  /** Closes the port on which the sites were served before the rules led Cloudflare here. */
  public closeFormerPort(rules: readonly SiteWithRule[], after: After): HostState {
    const { connection, owner, prefix } = this.identity;
    const made = rules.flatMap(({ rule }) => (rule ? [rule] : []));
    if (made.length === 0) return { address: this.address, resources: [] };
    const all = pulumi.all(made).apply((each) => each.join(", "));
    const closing = new FormerPort(`${prefix}former-port`, { connection, owner, after: all }, after);
    return { address: this.address, resources: [closing] };
  }

  /**
   * Has nginx serve the sites.
   * @param places all sites on all hosts, with their removal prepared; those on this host are served
   */
  public serve(places: readonly SiteOnHost[], { settings }: StackContext, after: After): ServingHost {
    const { connection, own, owner, prefix } = this.identity;
    const sites = places.filter(({ address }) => address === this.address).map(({ site }) => site);
    const waits = sites.flatMap(({ beforeServing }) => beforeServing);
    const nginx = new HostNginx(
      `${prefix}nginx`,
      {
        connection,
        owner,
        after: this.certificates.installed,
        teamDomain: settings.teamDomain,
        originPort: settings.originPort,
        sites: sites.map(({ hostname, site, audience }) => ({
          hostname,
          serves: site.serves,
          upstream: site.upstreamOn(own),
          audience,
        })),
        hooks: { beforeCreate: waits, beforeUpdate: waits },
      },
      after,
    );
    return {
      address: this.address,
      nginx,
      originAddresses: own.originAddresses,
      resources: [answered(nginx, nginx.configuration)],
    };
  }
}

/** A component once its step has answered: what depends on that is not made if the step has not run. */
const answered = (component: pulumi.Resource, answer: pulumi.Output<unknown>): pulumi.Output<pulumi.Resource> =>
  answer.apply(() => component);

/** A site on a host from which it can be removed. */
export interface SiteOnHost {
  readonly site: ProtectedSite;
  readonly address: string;
  readonly resources: readonly pulumi.Input<pulumi.Resource>[];
}

/** The hosts of a stack with their firewalls, the main one first. */
export function declareHosts(context: StackContext, sites: readonly Site[]): NonEmpty<Host> {
  const { settings, cloudflare } = context;
  const ranges = cloudflareRanges(settings.ipRanges, cloudflare.provider);
  const [main, ...more] = hostsOf(settings);
  const declare = (own: OriginHost, id: string) => {
    const identity: HostIdentity = {
      address: own.sshAddress,
      own,
      connection: {
        host: own.sshAddress,
        port: own.sshPort,
        user: own.sshUser,
        privateKey: settings.sshPrivateKey,
        privateKeyPassword: settings.sshPrivateKeyPassphrase,
        hostKey: own.sshHostKey,
        jump: own.sshJump,
        revision: settings.hostRevision,
      },
      owner: [pulumi.getProject(), pulumi.getStack(), settings.zoneId, id].join("/"),
      last: own === (more.at(-1) ?? main),
      prefix: id === "" ? "" : `${id}-`,
    };
    return new Host(context, identity, sites, ranges);
  };
  return [declare(main, ""), ...more.map((own) => declare(own, own.sshAddress))];
}
