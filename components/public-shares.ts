import * as pulumi from "@pulumi/pulumi";
import type { OriginCaValidity } from "../settings/durations.ts";
import { DnsRecords } from "./dns-records.ts";
import type { LostAnswers } from "./lost-answers/index.ts";
import { OriginCertificate } from "./origin-certificate.ts";
import { HostCertificates, type HostConnection, HostNginx } from "./origin-host/index.ts";
import { OriginPullsCertificate, type OriginPullsKey } from "./origin-pulls/certificate.ts";
import { OriginPulls } from "./origin-pulls/index.ts";

export interface PublicSharesArgs {
  connection: HostConnection;
  zoneId: string;
  /** Host name of the shares, another than the site's. */
  hostname: string;
  /** Where immich-public-proxy is, as address:port. */
  upstream: string;
  /** The origin's public addresses; one record each. */
  addresses: readonly string[];
  /** Summary of the firewall step. */
  firewall: pulumi.Input<string>;
  /** Days for which the certificates are valid. */
  validityDays: OriginCaValidity;
  /**
   * Key of the origin-pull certificate for this host name; or, where the origin pulls of the whole zone cover it
   * already, the authority of their certificate, PEM.
   */
  originPulls: { key: OriginPullsKey } | { authorityPem: pulumi.Input<string> };
  /** Hooks for this host name. */
  lostAnswers: LostAnswers;
}

/**
 * A second site in front of immich-public-proxy, for links that were shared in Immich: everybody sees them, so it has no
 * Access application. nginx passes on only the addresses that this service has, and Immich's API is none of them.
 *
 * The parts are those of the main site, in the same order. They have to depend on what guards that: a record for this
 * name in a zone that is not Full (strict) yet would lead visitors here unencrypted.
 */
export class PublicShares extends pulumi.ComponentResource {
  /** Address of the shares, without a path. */
  public readonly url: string;
  /** When the certificates end, RFC 3339. */
  public readonly certificateExpiry: { origin: pulumi.Output<string>; originPulls?: pulumi.Output<string> };

  public constructor(name: string, args: PublicSharesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:PublicShares", name, {}, opts);
    const { connection, zoneId, hostname, validityDays, originPulls, lostAnswers } = args;
    const part = (suffix: string) => `${name}-${suffix}`;
    const after = (dependsOn: pulumi.Resource) => ({ parent: this, dependsOn });

    const origin = new OriginCertificate(part("origin-certificate"), { hostname, validityDays }, { parent: this });
    const clients =
      "key" in originPulls
        ? new OriginPullsCertificate(
            part("origin-pulls-certificate"),
            { hostname, validityDays, key: originPulls.key },
            { parent: this },
          )
        : originPulls;
    const own = clients instanceof OriginPullsCertificate ? clients : undefined;
    const certificates = new HostCertificates(
      part("certificates"),
      {
        connection,
        hostname,
        firewall: args.firewall,
        certificatePem: origin.certificatePem,
        privateKeyPem: origin.privateKeyPem,
        clientAuthorityPem: clients.authorityPem,
        hooks: lostAnswers.installation,
      },
      { parent: this },
    );
    const pulls =
      own &&
      new OriginPulls(
        part("origin-pulls"),
        { zoneId, hostname, mode: "hostname", certificate: own, hooks: lostAnswers.creation },
        after(certificates),
      );
    const nginx = new HostNginx(
      part("nginx"),
      {
        connection,
        hostname,
        serves: "shares",
        upstream: args.upstream,
        tokenCheck: false,
        certificates: certificates.summary,
      },
      after(pulls ?? certificates),
    );
    new DnsRecords(
      part("dns"),
      {
        zoneId,
        hostname,
        addresses: args.addresses,
        comment: "Public shares of Immich, without Cloudflare Access",
        hooks: lostAnswers.creation,
      },
      after(nginx),
    );

    this.url = `https://${hostname}`;
    this.certificateExpiry = { origin: origin.expiresOn, ...(own && { originPulls: own.expiresOn }) };
    this.registerOutputs({ url: this.url });
  }
}
