import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AccessApplication } from "../components/access-application.ts";
import { DnsRecords, type OriginTarget } from "../components/dns-records.ts";
import type { LoginProvider } from "../components/login-provider.ts";
import { OriginPullsCertificate } from "../components/origin-pulls/certificate.ts";
import { PublicShares } from "../components/public-shares.ts";
import type { Settings } from "../settings/index.ts";
import { each, type NonEmpty, type OriginHost, type SiteSettings, sitesOf, upstreamOn } from "../settings/topology.ts";
import { type ClientAuthentication, Site } from "./site.ts";
import type { StackContext } from "./context.ts";
import type { After } from "./stages.ts";

const CLOUDFLARE_CA = join(import.meta.dirname, "../components/origin-pulls/cloudflare-origin-pull-ca.pem");

/** A site in front of Immich, behind Access. */
export class ImmichSite extends Site {
  public readonly serves = "immich";
  private readonly own: SiteSettings;

  public constructor(context: StackContext, own: SiteSettings, clientAuthentication: ClientAuthentication) {
    super(context, own.hostname, clientAuthentication);
    this.own = own;
  }

  public override upstreamOn(host: OriginHost): string {
    return upstreamOn(this.context.settings, host, this.own);
  }

  public override createAccess(login: LoginProvider, after: After): AccessApplication {
    const { settings, cloudflare, api } = this.context;
    return new AccessApplication(
      this.resourceName("access"),
      {
        accountId: settings.accountId,
        hostname: this.hostname,
        emails: this.own.emails,
        emailDomains: this.own.emailDomains,
        sessionDuration: settings.sessionDuration,
        loginProvider: login.id,
        devices: this.own.devices,
        rotations: this.own.deviceRotations,
        tokenDuration: settings.tokenDuration,
        refreshToken: { enabled: settings.tokenRefresh, open: api.open },
        anyServiceToken: settings.anyServiceToken,
        hooks: this.orphanCleanup.creation,
      },
      { ...cloudflare, ...after },
    );
  }

  public override createRecords(target: OriginTarget, after: After): DnsRecords {
    const { settings, cloudflare } = this.context;
    return new DnsRecords(
      this.resourceName("dns"),
      {
        zoneId: settings.zoneId,
        hostname: this.hostname,
        target,
        comment: "Immich behind Cloudflare Access",
        hooks: this.recordHooks,
      },
      { ...cloudflare, ...after },
    );
  }
}

/** A site in front of immich-public-proxy, for everybody who has a link. */
export class SharesSite extends Site {
  public readonly serves = "shares";

  public constructor(context: StackContext, clientAuthentication: ClientAuthentication) {
    super(context, context.settings.publicShareHostname, clientAuthentication);
  }

  public override upstreamOn(): string {
    return this.context.settings.publicShareUpstream;
  }

  public override createAccess(): undefined {
    return undefined;
  }

  public override createRecords(target: OriginTarget, after: After): PublicShares {
    const { settings, cloudflare } = this.context;
    return new PublicShares(
      this.hostname,
      { zoneId: settings.zoneId, hostname: this.hostname, target, hooks: this.recordHooks },
      { ...cloudflare, ...after },
    );
  }
}

/** The sites of a stack with their certificates: the main one first, public shares last if there are any. */
export function declareSites(context: StackContext): NonEmpty<Site> {
  const { settings } = context;
  const [main, ...more] = sitesOf(settings);
  const authenticationOf = clientAuthentication(settings, main.hostname);
  const immich = each([main, ...more], (own) => new ImmichSite(context, own, authenticationOf(own.hostname)));
  const { publicShareHostname } = settings;
  if (publicShareHostname === "") return immich;
  return [...immich, new SharesSite(context, authenticationOf(publicShareHostname))];
}

/** How Cloudflare proves itself to each site, by the mode of the origin pulls. */
function clientAuthentication(settings: Settings, mainHostname: string): (hostname: string) => ClientAuthentication {
  const issue = (hostname: string) =>
    new OriginPullsCertificate(`${hostname}-origin-pulls-certificate`, {
      hostname,
      validityDays: settings.certificateValidityDays,
      key: settings.originPullsKey,
    });
  if (settings.originPulls === "hostname") {
    return (hostname) => {
      const certificate = issue(hostname);
      return { certificate, caPem: certificate.caPem, declaresOriginPulls: true };
    };
  }
  const certificate = settings.originPulls === "zone" ? issue(mainHostname) : undefined;
  const caPem = certificate?.caPem ?? (settings.originPullsCa || readFileSync(CLOUDFLARE_CA, "utf8"));
  return (hostname) => ({ certificate, caPem, declaresOriginPulls: hostname === mainHostname });
}
