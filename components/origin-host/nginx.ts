import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection, type Inputs } from "./host-step.ts";
import type { Payload } from "./payload.ts";

/** A site as nginx serves it. */
export interface ServedSite extends Omit<Inputs<Payload<"nginx">["sites"][number]>, "audience"> {
  /**
   * Audience tag of the site's Access application. The host then lets in requests with a token of that application only,
   * which it verifies itself: signature, audience, issuer and time. Without one it believes whatever Cloudflare sends.
   * Shares have none.
   */
  audience: pulumi.Output<string> | undefined;
}

export interface HostNginxArgs {
  connection: HostConnection;
  /** Owner id, as the firewall has it: what the stack has given up before nginx served it goes by that. */
  owner: string;
  /** Domain of the Zero Trust team, which signs the tokens and publishes its keys; for sites with an audience. */
  teamDomain: string;
  sites: readonly ServedSite[];
  /** What the certificates step has answered. */
  after: pulumi.Input<string>;
}

/**
 * The sites in nginx: TLS with the origin certificate, only for clients with the origin-pull certificate, only for
 * requests that Access has let through, and what the service behind it asks of a reverse proxy. They are checked,
 * loaded without a restart, probed, and taken back if a probe fails.
 */
export class HostNginx extends pulumi.ComponentResource {
  /** Start of the SHA-256 of all of the sites' configuration, once nginx was seen to serve it. */
  public readonly configuration: pulumi.Output<string>;

  public constructor(name: string, args: HostNginxArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostNginx", name, {}, opts);
    const { connection, owner, after, teamDomain, sites } = args;
    const answer = hostStep(
      `${name}-command`,
      "nginx",
      connection,
      {
        owner,
        after,
        teamDomain: teamDomain === "" ? null : teamDomain,
        sites: sites.map((site) => ({ ...site, audience: requiredAudience(site.audience) })),
      },
      { parent: this },
    );
    this.configuration = answer.configuration;
    this.registerOutputs({ configuration: this.configuration });
  }
}

/** Null means that no token is needed, so a site that needs one must never come to have it by an empty answer. */
function requiredAudience(audience: pulumi.Output<string | undefined> | undefined): pulumi.Input<string | null> {
  if (audience === undefined) return null;
  return audience.apply((tag) => {
    if (!tag) throw new Error("Cloudflare has told no audience tag of the Access application");
    return tag;
  });
}
