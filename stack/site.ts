import * as pulumi from "@pulumi/pulumi";
import type { AccessApplication } from "../components/access-application.ts";
import { createEnforcementHook } from "../components/access-in-force.ts";
import { type DnsRecords, type OriginTarget, targetOf } from "../components/dns-records.ts";
import { RecordSwitch } from "../components/record-switch.ts";
import { LoginProvider } from "../components/login-provider.ts";
import { OrphanCleanup } from "../components/orphan-cleanup/index.ts";
import { OriginCertificate } from "../components/origin-certificate.ts";
import type { HostCertificates, HostNginx } from "../components/origin-host/index.ts";
import type { PublicShares } from "../components/public-shares.ts";
import type { DeviceHeaders } from "../components/site-check/answers.ts";
import type { OriginPullsCertificate } from "../components/origin-pulls/certificate.ts";
import { OriginPulls } from "../components/origin-pulls/index.ts";
import { OriginRule } from "../components/origin-rule/index.ts";
import { hostnamesOf, type OriginHost, otherPort } from "../settings/topology.ts";
import type { StackContext } from "./context.ts";
import type { After, HostState, SiteState } from "./stages.ts";

/** A host that has the certificates of all sites. */
export interface HostWithCertificates extends HostState {
  readonly certificates: HostCertificates;
}

/** A host whose nginx serves the sites. */
export interface ServingHost extends HostState {
  readonly nginx: HostNginx;
  /** Public addresses for the DNS records. */
  readonly originAddresses: readonly string[];
}

/** How Cloudflare proves to nginx that a request comes from it. */
export interface ClientAuthentication {
  /** The client certificate; `undefined` in the mode `shared`, in which all customers of Cloudflare have the same one. */
  certificate: OriginPullsCertificate | undefined;
  /** CA whose client certificates nginx accepts, PEM. */
  caPem: pulumi.Input<string>;
  /** Whether the origin pulls are declared for this site: for each in the mode `hostname`, else for one of the zone. */
  declaresOriginPulls: boolean;
}

/**
 * A host name and what it has at Cloudflare; first of all its certificates, which wait for nothing.
 *
 * Resource names contain the host name, so changing `hostname` creates a second site and then deletes the first, DNS
 * records first. Updating in place would leave the old name without Access.
 */
export abstract class Site implements SiteState {
  /** What nginx passes requests to: Immich, or no more than the pages of immich-public-proxy. */
  public abstract readonly serves: "immich" | "shares";
  public readonly hostname: string;
  public readonly originCertificate: OriginCertificate;
  public readonly clientAuthentication: ClientAuthentication;
  public readonly resources: readonly pulumi.Resource[];
  /** Removes what failed creations have left. */
  public readonly orphanCleanup: OrphanCleanup;
  /** Lets the DNS records change between addresses and a name. */
  private readonly recordSwitch: RecordSwitch;
  protected readonly context: StackContext;

  protected constructor(context: StackContext, hostname: string, clientAuthentication: ClientAuthentication) {
    const { settings, api } = context;
    this.context = context;
    this.hostname = hostname;
    this.clientAuthentication = clientAuthentication;
    this.orphanCleanup = new OrphanCleanup({ api, zoneId: settings.zoneId, hostname });
    this.recordSwitch = new RecordSwitch({ api, zoneId: settings.zoneId, hostname });
    this.originCertificate = new OriginCertificate(
      this.resourceName("origin-certificate"),
      { hostname, validityDays: settings.certificateValidityDays },
      context.cloudflare,
    );
    const { certificate } = clientAuthentication;
    this.resources = certificate ? [this.originCertificate, certificate] : [this.originCertificate];
  }

  /** Where a host finds what the site serves, `address:port`. */
  public abstract upstreamOn(host: OriginHost): string;

  /** Creates the Access application, if the site has one. */
  public abstract createAccess(login: LoginProvider, after: After): AccessApplication | undefined;

  /** Creates the DNS records, which put the site on the internet. */
  public abstract createRecords(target: OriginTarget, after: After): DnsRecords | PublicShares;

  /** Hooks for the DNS records. */
  protected get recordHooks(): pulumi.ResourceHookBinding {
    const { creation } = this.orphanCleanup;
    const { before, failed } = this.recordSwitch;
    return { ...creation, beforeCreate: [...(creation.beforeCreate ?? []), before], onError: [failed] };
  }

  /**
   * Has Cloudflare present its client certificate from now on.
   * @param hosts all hosts, which have to accept the certificate first
   */
  public activateOriginPulls(hosts: readonly HostWithCertificates[], after: After): SiteWithOriginPulls {
    if (hosts.length === 0) throw new Error("activateOriginPulls() needs the hosts that accept the certificate");
    const { certificate, declaresOriginPulls } = this.clientAuthentication;
    if (!declaresOriginPulls) return new SiteWithOriginPulls(this, this.context, []);
    const { settings, api } = this.context;
    const originPulls = new OriginPulls(
      this.resourceName("origin-pulls"),
      {
        zoneId: settings.zoneId,
        hostname: this.hostname,
        hostnames: hostnamesOf(settings),
        mode: settings.originPulls,
        ...(certificate && { certificate }),
        hooks: this.orphanCleanup.creation,
        api,
      },
      { ...this.context.cloudflare, ...after },
    );
    return new SiteWithOriginPulls(this, this.context, [originPulls]);
  }

  /** Name of the site's resource of this kind. */
  public resourceName(kind: string): string {
    return `${this.hostname}-${kind}`;
  }
}

/** A site to which Cloudflare proves itself by its client certificate. */
export class SiteWithOriginPulls implements SiteState {
  public readonly hostname: string;
  public readonly site: Site;
  public readonly resources: readonly pulumi.Resource[];
  private readonly context: StackContext;

  public constructor(site: Site, context: StackContext, resources: readonly pulumi.Resource[]) {
    this.hostname = site.hostname;
    this.site = site;
    this.context = context;
    this.resources = resources;
  }

  /** Declares how people log in, which all sites of an account share. */
  public declareLogin(after: After): Login {
    const { settings, cloudflare } = this.context;
    const component = new LoginProvider(
      "login",
      { accountId: settings.accountId, choice: settings.loginProvider, hooks: this.site.orphanCleanup.creation },
      { ...cloudflare, ...after },
    );
    return { component, resources: [component] };
  }

  /** Puts Access in front of the host name. Public shares have none: they are for everybody. */
  public protect(login: Login, after: After): ProtectedSite {
    return new ProtectedSite(this.site, this.site.createAccess(login.component, after), this.context);
  }
}

/** The login provider, and what has been made for it. */
export interface Login {
  readonly component: LoginProvider;
  readonly resources: readonly pulumi.Resource[];
}

/** A site that is behind Access, if it is to be. */
export class ProtectedSite implements SiteState {
  public readonly hostname: string;
  public readonly site: Site;
  /** The Access application; `undefined` for public shares. */
  public readonly access: AccessApplication | undefined;
  /** What a host waits for before it serves the site. */
  public readonly beforeServing: readonly pulumi.ResourceHook[];
  public readonly resources: readonly pulumi.Resource[];
  private readonly context: StackContext;

  public constructor(site: Site, access: AccessApplication | undefined, context: StackContext) {
    this.hostname = site.hostname;
    this.site = site;
    this.access = access;
    this.context = context;
    this.resources = access ? [access] : [];
    const { settings, api } = context;
    // Hosts that check Access's tokens let nobody through before Access does.
    this.beforeServing =
      access && !settings.originJwtCheck
        ? [
            createEnforcementHook(
              site.resourceName("access-in-force"),
              { accountId: settings.accountId, id: access.applicationId },
              api.open,
            ),
          ]
        : [];
  }

  /** Audience tag of the tokens that nginx asks of every request; `undefined` where it asks for none. */
  public get audience(): pulumi.Output<string> | undefined {
    return this.context.settings.originJwtCheck ? this.access?.audience : undefined;
  }

  /** Has Cloudflare come to the hosts' port, if that is another one than 443. */
  public leadToPort(after: After): SiteWithRule {
    const { settings, api } = this.context;
    const port = otherPort(settings);
    if (port === undefined) return { hostname: this.hostname, rule: undefined, resources: [] };
    const { zoneId, hostRevision: revision } = settings;
    const args = { zoneId, hostname: this.hostname, port, revision, api };
    const made = new OriginRule(this.site.resourceName("origin-rule"), args, after);
    return { hostname: this.hostname, rule: made.rule, resources: [made] };
  }

  /** Leads the host name to all hosts; Cloudflare spreads visitors over their addresses. */
  public publish(hosts: readonly ServingHost[], after: After): PublishedSite {
    const { originName } = this.context.settings;
    const addresses = hosts.flatMap(({ originAddresses }) => originAddresses);
    if (hosts.length === 0) throw new Error("publish() needs hosts that serve the site");
    const records = this.site.createRecords(targetOf(originName, addresses), after);
    const [device] = Object.values(this.access?.devices ?? {});
    return {
      hostname: this.hostname,
      serves: this.site.serves,
      // Asked once its token has been refreshed: one that had ended works again from then on.
      device:
        device &&
        pulumi
          .all([device.clientId, device.clientSecret, device.expiresAt])
          .apply(([clientId, clientSecret]) => ({ clientId, clientSecret })),
      recordIds: records.recordIds,
      resources: [records],
    };
  }
}

/** A site for which Cloudflare comes to the hosts' port. */
export interface SiteWithRule extends SiteState {
  /** Its origin rule; `undefined` for port 443, which needs none. */
  readonly rule: pulumi.Output<string> | undefined;
}

/** A site that is on the internet. */
export interface PublishedSite extends SiteState {
  readonly serves: "immich" | "shares";
  /** The first device's headers; `undefined` without devices. */
  readonly device: pulumi.Output<DeviceHeaders> | undefined;
  /** Ids of the DNS records, known when all exist. */
  readonly recordIds: pulumi.Output<string[]>;
  readonly resources: readonly pulumi.Resource[];
}
