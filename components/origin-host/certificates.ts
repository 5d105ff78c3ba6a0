import * as pulumi from "@pulumi/pulumi";
import { hostStep, type HostConnection } from "./host-step.ts";

export interface HostCertificatesArgs {
  connection: HostConnection;
  /** Host name of the site. */
  hostname: string;
  /** Summary of the firewall step, whose change this step's new SSH connection confirms. */
  firewall: pulumi.Input<string>;
  /** The origin certificate, PEM. */
  certificatePem: pulumi.Input<string>;
  /** Its key, PEM; it is kept secret and installed with mode 0600. */
  privateKeyPem: pulumi.Input<string>;
  /** Authority whose client certificates nginx accepts, PEM. */
  clientAuthorityPem: pulumi.Input<string>;
  /** Run around the step. */
  hooks?: pulumi.ResourceHookBinding;
}

/**
 * Installs the origin certificate, its key and the authority of the origin pulls on the host. Where the site already
 * runs, nginx takes them over by a reload, and the old ones come back if it does not serve the new ones.
 */
export class HostCertificates extends pulumi.ComponentResource {
  /** One line about what is installed. */
  public readonly summary: pulumi.Output<string>;

  public constructor(name: string, args: HostCertificatesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:HostCertificates", name, {}, opts);
    const step = hostStep(
      `${name}-command`,
      "certificates",
      args.connection,
      {
        site: args.hostname,
        firewall: args.firewall,
        certificate: args.certificatePem,
        privateKey: pulumi.secret(args.privateKeyPem),
        clientCa: args.clientAuthorityPem,
      },
      { parent: this, ...(args.hooks && { hooks: args.hooks }) },
    );
    this.summary = step.stdout;
    this.registerOutputs({ summary: this.summary });
  }
}
