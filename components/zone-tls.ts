import * as pulumi from "@pulumi/pulumi";
import * as cloudflare from "./cloudflare.ts";

export interface ZoneTlsArgs {
  zoneId: string;
  /** Oldest TLS version for visitors of the zone, "1.0" to "1.3". */
  minTlsVersion: string;
  /** Redirect http to https for the whole zone. Nothing listens on port 80 of the origin. */
  alwaysUseHttps: boolean;
  /** Whether the zone has Automatic SSL/TLS. One that Cloudflare has not migrated yet does not know the setting. */
  sslAutomaticMode: boolean;
}

/**
 * The zone's TLS settings, which apply to every name of the zone. With Full (strict) Cloudflare talks only to an origin
 * whose certificate it trusts.
 *
 * The settings stay after a destroy: deleting a zone setting changes nothing at Cloudflare (the provider sends no
 * request).
 */
export class ZoneTls extends pulumi.ComponentResource {
  public constructor(name: string, args: ZoneTlsArgs, opts?: pulumi.ComponentResourceOptions) {
    const { sslAutomaticMode, ...inputs } = args;
    super("immich-access:index:ZoneTls", name, inputs, opts);
    const setting = (suffix: string, settingId: string, value: string, dependsOn: pulumi.Resource[] = []) =>
      new cloudflare.ZoneSetting(
        `${name}-${suffix}`,
        { zoneId: args.zoneId, settingId, value },
        { parent: this, dependsOn },
      );

    // In automatic mode Cloudflare could choose another SSL mode, so that comes first.
    const custom = sslAutomaticMode ? [setting("ssl-automatic-mode", "ssl_automatic_mode", "custom")] : [];
    setting("ssl", "ssl", "strict", custom);
    setting("min-tls-version", "min_tls_version", args.minTlsVersion);
    setting("always-use-https", "always_use_https", args.alwaysUseHttps ? "on" : "off");
    // Without websockets Immich shows itself as offline.
    setting("websockets", "websockets", "on");
    this.registerOutputs({});
  }
}
