import * as pulumi from "@pulumi/pulumi";
import { userError } from "../../settings/error.ts";
import { hostStep, type HostConnection, type Inputs } from "./host-step.ts";
import type { Payload } from "./payload.ts";

/** A site as nginx serves it. */
export interface ServedSite extends Omit<Inputs<Payload<"nginx">["sites"][number]>, "audience"> {
  /**
   * Audience tag of the site's Access application. With it, the host allows only requests with a token of that
   * application and verifies signature, audience, issuer and time itself. Without it, the host trusts every request
   * from Cloudflare. Shares have none.
   */
  audience: pulumi.Output<string> | undefined;
}

export interface HostNginxArgs {
  connection: HostConnection;
  /** Owner id as in the firewall step. It identifies sites that the stack gave up before nginx served them. */
  owner: string;
  /** Domain of the Zero Trust team, which issues the tokens and publishes the keys; for sites with an audience. */
  teamDomain: string;
  /** Where nginx serves the sites. */
  originPort: Payload<"nginx">["originPort"];
  sites: readonly ServedSite[];
  /** Output of the certificates step. */
  after: pulumi.Input<string>;
  /** Hooks for the step. */
  hooks?: pulumi.ResourceHookBinding;
}

/**
 * The sites in nginx: TLS with the origin certificate, for clients with the origin-pull certificate (mutual TLS) and
 * for requests that Access has allowed, with the reverse proxy settings that the upstream needs. The configuration is
 * checked, loaded without a restart, probed, and rolled back if a probe fails.
 */
export class HostNginx extends pulumi.ComponentResource {
  /** Start of the SHA-256 of the sites' configuration that nginx has been probed to serve. */
  public readonly configuration: pulumi.Output<string>;

  public constructor(name: string, args: HostNginxArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostNginx", name, {}, opts);
    const { connection, owner, after, teamDomain, originPort, sites, hooks } = args;
    const answer = hostStep(
      `${name}-command`,
      "nginx",
      connection,
      {
        owner,
        after,
        teamDomain: teamDomain === "" ? null : teamDomain,
        originPort,
        sites: sites.map((site) => ({ ...site, audience: requiredAudience(site.audience) })),
      },
      { parent: this, ...(hooks && { hooks }) },
    );
    this.configuration = answer.configuration;
    this.registerOutputs({ configuration: this.configuration });
  }
}

/** Fails closed on an empty audience tag: null means that no token is needed. */
function requiredAudience(audience: pulumi.Output<string | undefined> | undefined): pulumi.Input<string | null> {
  if (audience === undefined) return null;
  return audience.apply((tag) => {
    if (!tag)
      throw userError("Cloudflare returned no audience tag for the Access application: run pulumi up --refresh");
    return tag;
  });
}
