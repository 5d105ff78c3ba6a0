import * as pulumi from "@pulumi/pulumi";
import { ACCESS_APPLICATION, serviceTokenName } from "./token-names.ts";
import * as cloudflare from "./cloudflare.ts";
import { keepAlive, type TokenRefresh } from "./token-refresh.ts";

/** Credentials of one device: what goes into the two proxy headers of the Immich app. */
export interface DeviceCredentials {
  /** Value of the header `CF-Access-Client-Id`; no secret. */
  clientId: pulumi.Output<string>;
  /** Value of the header `CF-Access-Client-Secret`; secret. */
  clientSecret: pulumi.Output<string>;
  /** When the token ends, RFC 3339, or `never`. */
  expiresAt: pulumi.Output<string>;
}

/** A new secret for a device, and how long the old one still works. */
export interface SecretRotation {
  secretVersion: number;
  /** RFC 3339. */
  previousSecretExpiresAt: string;
}

export interface AccessApplicationArgs {
  accountId: string;
  /** Host name that Access protects, with every path below it. */
  hostname: string;
  /** Email addresses that may log in. */
  emails: readonly string[];
  /** Domains whose email addresses may log in, without the @. */
  emailDomains: readonly string[];
  /** How long a login lasts, as a duration like `24h`. */
  sessionDuration: string;
  /** Id of the identity provider for people; `undefined` offers all of the account's. */
  loginProvider: pulumi.Input<string> | undefined;
  /** Names of the devices; each gets a service token. */
  devices: readonly string[];
  /** Rotations by device name. */
  rotations: Readonly<Record<string, SecretRotation>>;
  /** How long a service token lasts, as a duration like `8760h`, or `forever`. */
  tokenDuration: string;
  /** Refreshes a token that is about to end. */
  refreshToken: Pick<TokenRefresh, "enabled" | "open">;
  /** Allow every service token of the account instead of the devices' own. */
  anyServiceToken: boolean;
  /** Hooks for the resources at Cloudflare. */
  hooks?: pulumi.ResourceHookBinding;
}

/**
 * The Access application in front of Immich with its two policies. Browsers pass the email policy after a login;
 * devices pass the Service Auth policy with two headers on every request.
 */
export class AccessApplication extends pulumi.ComponentResource {
  /** Audience tag of the application's tokens (the JWT's `aud`). */
  public readonly audience: pulumi.Output<string>;
  /** Id of the application. */
  public readonly applicationId: pulumi.Output<string>;
  /** Credentials by device name. */
  public readonly devices: Readonly<Record<string, DeviceCredentials>>;

  public constructor(name: string, args: AccessApplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    const { hooks = {}, refreshToken, ...inputs } = args;
    super(ACCESS_APPLICATION, name, inputs, opts);
    const { accountId, hostname } = args;
    const own = { parent: this, hooks };

    const tokens = new Map(args.devices.map((device) => [device, this.serviceToken(name, device, args, own)]));
    const people = new cloudflare.ZeroTrustAccessPolicy(
      `${name}-people`,
      {
        accountId,
        name: `${hostname} people`,
        decision: "allow",
        includes: [
          ...args.emails.map((email) => ({ email: { email } })),
          ...args.emailDomains.map((domain) => ({ emailDomain: { domain } })),
        ],
        // A policy's duration overrides the application's, and the provider sends 24h where none is given.
        sessionDuration: args.sessionDuration,
      },
      own,
    );
    const admitted = args.anyServiceToken
      ? [{ anyValidServiceToken: {} }]
      : [...tokens.values()].map((token) => ({ serviceToken: { tokenId: token.id } }));
    // Without devices there is no policy for them: a policy must include something.
    const devices =
      admitted.length === 0
        ? []
        : [
            new cloudflare.ZeroTrustAccessPolicy(
              `${name}-devices`,
              { accountId, name: `${hostname} devices`, decision: "non_identity", includes: admitted },
              own,
            ),
          ];

    const application = new cloudflare.ZeroTrustAccessApplication(
      `${name}-application`,
      {
        accountId,
        name: `Immich ${hostname}`,
        type: "self_hosted",
        domain: hostname,
        destinations: [{ type: "public", uri: hostname }],
        sessionDuration: args.sessionDuration,
        // A policy that the application does not list has no effect.
        policies: [...devices, people].map((policy, index) => ({ id: policy.id, precedence: index + 1 })),
        // With a single provider people skip the page on which they would choose one.
        ...(args.loginProvider !== undefined && { allowedIdps: [args.loginProvider], autoRedirectToIdentity: true }),
        httpOnlyCookieAttribute: true,
        // "strict" causes a redirect loop after the login.
        sameSiteCookieAttribute: "lax",
        // Cloudflare does not say whether people without a session would get 401 as well, and so no login page. Devices
        // with wrong headers get 401 all the same where the organisation is strict about service tokens, as new ones are.
        serviceAuth401Redirect: false,
      },
      own,
    );

    this.audience = application.aud;
    this.applicationId = application.id;
    this.devices = Object.fromEntries(
      [...tokens].map(([device, token]) => [
        device,
        {
          clientId: token.clientId,
          clientSecret: pulumi.secret(token.clientSecret),
          expiresAt: pulumi
            .all([token.id, token.clientId, token.expiresAt])
            .apply(([id, clientId, expiresAt]: [string, string, string | undefined]) =>
              keepAlive(
                { device, name: serviceTokenName(hostname, device), id, clientId, expiresAt },
                { accountId, duration: args.tokenDuration, ...refreshToken },
              ),
            ),
        },
      ]),
    );
    this.registerOutputs({ audience: this.audience, devices: this.devices });
  }

  private serviceToken(name: string, device: string, args: AccessApplicationArgs, own: pulumi.CustomResourceOptions) {
    const rotation = args.rotations[device];
    return new cloudflare.ZeroTrustAccessServiceToken(
      `${name}-token-${device}`,
      {
        accountId: args.accountId,
        name: serviceTokenName(args.hostname, device),
        duration: args.tokenDuration,
        ...(rotation && {
          clientSecretVersion: rotation.secretVersion,
          previousClientSecretExpiresAt: rotation.previousSecretExpiresAt,
        }),
      },
      own,
    );
  }
}
