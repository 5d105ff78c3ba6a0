import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection, type Inputs } from "./host-step.ts";
import type { Payload } from "./payload.ts";

export interface HostCertificatesArgs {
  connection: HostConnection;
  /** What the firewall step has answered: this step's new SSH connection confirms its change. */
  after: pulumi.Input<string>;
  /** The sites' certificates, PEM. Private keys are kept secret and installed with mode 0600. */
  sites: readonly Inputs<Payload<"certificates">["sites"][number]>[];
  /** Run around the step. */
  hooks?: pulumi.ResourceHookBinding;
}

/**
 * Installs the sites' origin certificates, their keys and the certificate authorities of the origin pulls on the host. If
 * a site already runs, nginx takes them over by a reload, and the old ones come back if it does not serve the new ones.
 */
export class HostCertificates extends pulumi.ComponentResource {
  /** The installed certificates, as a text that changes with them; the next step takes it. */
  public readonly installed: pulumi.Output<string>;

  public constructor(name: string, args: HostCertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostCertificates", name, {}, opts);
    const { connection, after, sites, hooks } = args;
    const answer = hostStep(
      `${name}-command`,
      "certificates",
      connection,
      { after, sites: sites.map((site) => ({ ...site, privateKey: pulumi.secret(site.privateKey) })) },
      { parent: this, ...(hooks && { hooks }) },
    );
    this.installed = answer.apply(({ change, sites: installed }) => {
      const fingerprints = installed.flatMap(({ fingerprint, clientAuthorities }) => [
        fingerprint,
        ...clientAuthorities,
      ]);
      return `firewall change ${change.toString()}, certificates ${fingerprints.join(" ")}`;
    });
    this.registerOutputs({ installed: this.installed });
  }
}
