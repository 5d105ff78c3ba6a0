import * as pulumi from "@pulumi/pulumi";
import { userError } from "../../settings/error.ts";
import * as cloudflare from "../cloudflare.ts";
import type { Account } from "../cloudflare-account.ts";
import { createActivationHook } from "./activation.ts";
import { createRelease } from "./release.ts";
import { createVoidingHook } from "./voiding.ts";

/** The client certificate for Cloudflare to present; `OriginPullsCertificate` makes one. */
export interface ClientCertificate {
  certificatePem: pulumi.Input<string>;
  privateKeyPem: pulumi.Input<string>;
}

export interface OriginPullsArgs {
  zoneId: string;
  /** Host name whose origin pulls carry the certificate. */
  hostname: string;
  /**
   * `hostname`: our own certificate, on pulls for `hostname` alone. `zone`: our own certificate, on pulls for every
   * proxied name of the zone. `shared`: the certificate that all customers of Cloudflare share. It proves only that a
   * request came through Cloudflare, possibly through another customer's zone.
   */
  mode: "hostname" | "zone" | "shared";
  /** All host names of the stack, for which the modes `zone` and `shared` hold. */
  hostnames: readonly string[];
  /** Required in the modes `hostname` and `zone`. */
  certificate?: ClientCertificate;
  /** Hooks for the certificate. */
  hooks?: pulumi.ResourceHookBinding;
  /** Cloudflare's API, for what the provider does not wait for. */
  api: CloudflareApi;
}

/** How to reach Cloudflare's API. */
export interface CloudflareApi {
  /** Base address, without a slash at its end. */
  url: string;
  token: pulumi.Input<string>;
  /** A client for hooks, with this token. */
  open: () => Promise<Account>;
}

/**
 * Authenticated origin pulls (mutual TLS): Cloudflare presents a client certificate to nginx, which rejects connections
 * without one.
 *
 * Cloudflare activates a new certificate some minutes after its upload, and presents it for a host name some time after it
 * was told to; the deployment waits for both. Deleting the settings of the modes `zone` and `shared` changes nothing at
 * Cloudflare (the provider sends no request), so both stay on after a destroy. That is harmless: an origin that does not
 * ask for a client certificate gets none.
 */
export class OriginPulls extends pulumi.ComponentResource {
  public constructor(name: string, args: OriginPullsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:OriginPulls", name, {}, opts);
    const { zoneId, mode } = args;
    if (mode === "shared") {
      const setting = { zoneId, settingId: "tls_client_auth", value: "on" };
      const hooks = { afterCreate: [voidingHook(name, mode, args)] };
      new cloudflare.ZoneSetting(`${name}-shared`, setting, { parent: this, hooks });
    } else {
      const { certificatePem: certificate, privateKeyPem } = requireCertificate(args);
      const upload = { zoneId, certificate, privateKey: pulumi.secret(privateKeyPem) };
      if (mode === "hostname") this.presentForHostname(name, upload, args);
      else this.presentForZone(name, upload, args);
    }
    this.registerOutputs({});
  }

  private presentForHostname(name: string, upload: Upload, { hostname, hooks = {}, api }: OriginPullsArgs): void {
    const { zoneId } = upload;
    const what = `origin-pull certificate for ${hostname}`;
    const active = createActivationHook(`${name}-certificate-active`, what, async (certificateId) => {
      const read = cloudflare.getAuthenticatedOriginPullsHostnameCertificate;
      return (await read({ zoneId, certificateId }, { parent: this })).status;
    });
    const association = `zones/${zoneId}/origin_tls_client_auth/hostnames/${hostname}`;
    const presented = createActivationHook(`${name}-hostname-active`, `origin pulls of ${hostname}`, async () => {
      const found = await (await api.open()).find<{ status?: string }>(association);
      return found ? (found.status ?? "active") : "missing";
    });
    const uploaded = new cloudflare.AuthenticatedOriginPullsHostnameCertificate(`${name}-certificate`, upload, {
      parent: this,
      hooks: { ...hooks, afterCreate: [...(hooks.afterCreate ?? []), active] },
    });
    const release = createRelease(
      `${name}-release`,
      { url: `${api.url}/${association}`, token: api.token },
      { parent: this, dependsOn: uploaded },
    );
    new cloudflare.AuthenticatedOriginPulls(
      `${name}-hostname`,
      { zoneId, configs: [{ hostname, certId: uploaded.id, enabled: true }] },
      // Not before this is active may the former certificate be deleted.
      { parent: this, dependsOn: release, hooks: { afterCreate: [presented], afterUpdate: [presented] } },
    );
  }

  private presentForZone(name: string, upload: Upload, args: OriginPullsArgs): void {
    const { zoneId, hooks = {} } = args;
    const what = "origin-pull certificate for the zone";
    const active = createActivationHook(`${name}-zone-certificate-active`, what, async (certificateId) => {
      const read = cloudflare.getAuthenticatedOriginPullsCertificate;
      return (await read({ zoneId, certificateId }, { parent: this })).status;
    });
    const uploaded = new cloudflare.AuthenticatedOriginPullsCertificate(`${name}-zone-certificate`, upload, {
      parent: this,
      hooks: { ...hooks, afterCreate: [...(hooks.afterCreate ?? []), active] },
    });
    new cloudflare.AuthenticatedOriginPullsSettings(
      `${name}-zone`,
      { zoneId, enabled: true },
      { parent: this, dependsOn: uploaded, hooks: { afterCreate: [voidingHook(name, "zone", args)] } },
    );
  }
}

/** Ends what another mode may have declared before. */
const voidingHook = (
  name: string,
  mode: "zone" | "shared",
  { zoneId, hostnames, api: { open } }: OriginPullsArgs,
): pulumi.ResourceHook => createVoidingHook(`${name}-former-void`, { zoneId, hostnames, mode, open });

/** The inputs that both kinds of certificate have in common. */
interface Upload {
  zoneId: string;
  certificate: pulumi.Input<string>;
  privateKey: pulumi.Input<string>;
}

function requireCertificate(args: OriginPullsArgs): ClientCertificate {
  if (args.certificate) return args.certificate;
  throw userError(`OriginPulls: the mode ${args.mode} needs a certificate`);
}
