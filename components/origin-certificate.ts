import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import type { OriginCaValidity } from "../settings/durations.ts";
import * as cloudflare from "./cloudflare.ts";
import { renewalPeriod } from "./renewal.ts";

export interface OriginCertificateArgs {
  /** Host name of the certificate. One name only: Cloudflare sorts several, which then look like a change. */
  hostname: string;
  /** Days from issue to expiry. By default Cloudflare issues for 15 years, beyond the end of its own roots. */
  validityDays: OriginCaValidity;
}

/**
 * The certificate with which nginx proves to Cloudflare that it is the origin, issued by Cloudflare's Origin CA for a
 * key that Cloudflare never sees. Only Cloudflare trusts it; a browser that reaches the host directly does not.
 *
 * `pulumi up` replaces it a month before it expires. The old one is revoked after the new one has been installed.
 */
export class OriginCertificate extends pulumi.ComponentResource {
  /** The certificate in PEM form. */
  public readonly certificatePem: pulumi.Output<string>;
  /** Its private key in PEM form; secret. */
  public readonly privateKeyPem: pulumi.Output<string>;
  /** When it expires, RFC 3339. */
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

/** Converts the Origin CA's form of a time, `2027-11-23 00:00:00 +0000 UTC`, to RFC 3339. */
export function toRfc3339(time: string): string {
  return time.replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) \+0000 UTC$/, "$1T$2Z");
}
