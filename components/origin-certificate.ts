import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import type { OriginCaValidity } from "../settings/durations.ts";
import * as cloudflare from "./cloudflare.ts";
import { renewalPeriod } from "./renewal.ts";

export interface OriginCertificateArgs {
  /** Host name that the certificate is for. One name only: Cloudflare sorts several, which then looks like a change. */
  hostname: string;
  /** Days from issue to expiry. Without it Cloudflare would issue for 15 years, beyond the end of its own roots. */
  validityDays: OriginCaValidity;
}

/**
 * The certificate with which nginx proves to Cloudflare that it is the origin, issued by Cloudflare's Origin CA for a
 * key that Cloudflare never sees. Only Cloudflare trusts it; a browser that reaches the host directly does not.
 *
 * It is replaced by an `up` a month before it ends; the old one is revoked only after the new one is installed.
 */
export class OriginCertificate extends pulumi.ComponentResource {
  /** The certificate in PEM form. */
  public readonly certificatePem: pulumi.Output<string>;
  /** Its private key in PEM form; secret. */
  public readonly privateKeyPem: pulumi.Output<string>;
  /** When it ends, RFC 3339. */
  public readonly expiresOn: pulumi.Output<string>;

  public constructor(name: string, args: OriginCertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:OriginCertificate", name, args, opts);

    const key = new tls.PrivateKey(
      `${name}-key`,
      { algorithm: "ECDSA", ecdsaCurve: "P256" },
      { parent: this, replacementTrigger: renewalPeriod(new Date(), args.validityDays) },
    );
    const request = new tls.CertRequest(
      `${name}-request`,
      { privateKeyPem: key.privateKeyPem, subject: { commonName: args.hostname }, dnsNames: [args.hostname] },
      { parent: this },
    );
    const certificate = new cloudflare.OriginCaCertificate(
      `${name}-certificate`,
      {
        csr: request.certRequestPem,
        hostnames: [args.hostname],
        requestType: "origin-ecc",
        requestedValidity: args.validityDays,
      },
      { parent: this },
    );

    this.certificatePem = certificate.certificate;
    this.privateKeyPem = pulumi.secret(key.privateKeyPem);
    this.expiresOn = certificate.expiresOn.apply(toRfc3339);
    this.registerOutputs({ expiresOn: this.expiresOn });
  }
}

/** The Origin CA's own form of a time, `2027-11-23 00:00:00 +0000 UTC`, in the form of RFC 3339. */
export function toRfc3339(time: string): string {
  return time.replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) \+0000 UTC$/, "$1T$2Z");
}
