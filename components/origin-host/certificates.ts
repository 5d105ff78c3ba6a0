import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";

/** Certificates of one site. */
export interface SiteCertificates {
  /** Host name of the site. */
  hostname: string;
  /** The origin certificate, PEM. */
  certificatePem: pulumi.Input<string>;
  /** Its key, PEM; it is kept secret and installed with mode 0600. */
  privateKeyPem: pulumi.Input<string>;
  /** Authority whose client certificates nginx accepts, PEM. */
  clientAuthorityPem: pulumi.Input<string>;
}

export interface HostCertificatesArgs {
  connection: HostConnection;
  /** Summary of the firewall step, whose change this step's new SSH connection confirms. */
  firewall: pulumi.Input<string>;
  sites: readonly SiteCertificates[];
  /** Run around the step. */
  hooks?: pulumi.ResourceHookBinding;
}

/**
 * Installs the sites' origin certificates, their keys and the authorities of the origin pulls on the host. Where a site
 * already runs, nginx takes them over by a reload, and the old ones come back if it does not serve the new ones.
 */
export class HostCertificates extends pulumi.ComponentResource {
  /** What is installed, one line for each site. */
  public readonly summary: pulumi.Output<string>;

  public constructor(name: string, args: HostCertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostCertificates", name, {}, opts);
    const step = hostStep(
      `${name}-command`,
      { apply: "certificates" },
      args.connection,
      {
        firewall: args.firewall,
        sites: args.sites.map((site) => ({
          site: site.hostname,
          certificate: site.certificatePem,
          privateKey: pulumi.secret(site.privateKeyPem),
          clientCa: site.clientAuthorityPem,
        })),
      },
      { parent: this, ...(args.hooks && { hooks: args.hooks }) },
    );
    this.summary = step.stdout;
    this.registerOutputs({ summary: this.summary });
  }
}
