import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection, type Inputs } from "./host-step.ts";
import type { Payload } from "./payload.ts";

export interface HostCertificatesArgs {
  connection: HostConnection;
  /** Output of the firewall step. This step's new SSH connection confirms the firewall change. */
  after: pulumi.Input<string>;
  /** The sites' certificates, PEM. Private keys are secret and are installed with mode 0600. */
  sites: readonly Inputs<Payload<"certificates">["sites"][number]>[];
  /** Hooks for the step. */
  hooks?: pulumi.ResourceHookBinding;
}

/**
 * Installs the sites' origin certificates, their keys and the CAs of the origin pulls on the host. If a site is already
 * running, nginx is reloaded, and the old certificates are restored if nginx does not serve the new ones.
 */
export class HostCertificates extends pulumi.ComponentResource {
  /** A text that changes with the installed certificates. The next step depends on it. */
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
      const fingerprints = installed.flatMap(({ fingerprint, clientCas }) => [fingerprint, ...clientCas]);
      return `firewall change ${change.toString()}, certificates ${fingerprints.join(" ")}`;
    });
    this.registerOutputs({ installed: this.installed });
  }
}
