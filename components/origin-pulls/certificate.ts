import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { renewalLeadDays } from "../renewal.ts";

/** Kinds of key for the client certificate. Cloudflare documents only RSA. */
export type OriginPullsKey = "RSA-2048" | "RSA-4096" | "ECDSA-P256";

export interface OriginPullsCertificateArgs {
  /** Host name in the certificate's subject. It helps people to tell certificates apart; nothing verifies it. */
  hostname: string;
  /** Days from issue to expiry of the client certificate. `pulumi up` replaces it a month before it expires. */
  validityDays: number;
  /** Key of the client certificate. */
  key: OriginPullsKey;
}

/** Ten years. The CA's key never leaves this stack, and replacing the CA would change nginx and Cloudflare at once. */
const AUTHORITY_HOURS = 87_600;

const KEYS: Readonly<Record<OriginPullsKey, tls.PrivateKeyArgs>> = {
  "RSA-2048": { algorithm: "RSA", rsaBits: 2048 },
  "RSA-4096": { algorithm: "RSA", rsaBits: 4096 },
  "ECDSA-P256": { algorithm: "ECDSA", ecdsaCurve: "P256" },
};

/** Common name of a site's CA. */
export const authorityName = (hostname: string): string => `${hostname} origin pulls`;

/**
 * A certificate authority (CA) of our own, and the client certificate that Cloudflare presents to nginx. nginx trusts
 * the CA, so a new client certificate needs no change on the host.
 *
 * The client certificate is a leaf with its own key: Cloudflare rejects an upload of the CA itself (error 1412, missing
 * leaf certificate).
 */
export class OriginPullsCertificate extends pulumi.ComponentResource {
  /** Certificate of the CA that nginx trusts, PEM. */
  public readonly caPem: pulumi.Output<string>;
  /** The client certificate, PEM. */
  public readonly certificatePem: pulumi.Output<string>;
  /** Key of the client certificate, PEM; secret. */
  public readonly privateKeyPem: pulumi.Output<string>;
  /** When the client certificate expires, RFC 3339. */
  public readonly expiresOn: pulumi.Output<string>;

  public constructor(name: string, args: OriginPullsCertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:OriginPullsCertificate", name, args, opts);
    const parent = { parent: this };

    const caKey = new tls.PrivateKey(`${name}-authority-key`, KEYS["RSA-2048"], parent);
    const ca = new tls.SelfSignedCert(
      `${name}-authority`,
      {
        privateKeyPem: caKey.privateKeyPem,
        subject: { commonName: authorityName(args.hostname) },
        isCaCertificate: true,
        allowedUses: ["cert_signing", "crl_signing"],
        validityPeriodHours: AUTHORITY_HOURS,
      },
      parent,
    );
    const key = new tls.PrivateKey(`${name}-key`, KEYS[args.key], parent);
    const request = new tls.CertRequest(
      `${name}-request`,
      { privateKeyPem: key.privateKeyPem, subject: { commonName: args.hostname } },
      parent,
    );
    const leaf = new tls.LocallySignedCert(
      `${name}-leaf`,
      {
        certRequestPem: request.certRequestPem,
        caPrivateKeyPem: caKey.privateKeyPem,
        caCertPem: ca.certPem,
        allowedUses: ["digital_signature", "client_auth"],
        validityPeriodHours: args.validityDays * 24,
        earlyRenewalHours: renewalLeadDays(args.validityDays) * 24,
      },
      parent,
    );

    this.caPem = ca.certPem;
    this.certificatePem = leaf.certPem;
    this.privateKeyPem = pulumi.secret(key.privateKeyPem);
    this.expiresOn = leaf.validityEndTime;
    this.registerOutputs({ expiresOn: this.expiresOn });
  }
}
