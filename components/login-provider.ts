import * as pulumi from "@pulumi/pulumi";
import * as cloudflare from "./cloudflare.ts";

export interface LoginProviderArgs {
  accountId: string;
  /**
   * `create` adds a one-time PIN login to the account, `account` offers all identity providers of the account, any
   * other value is the id of one of them.
   */
  choice: string;
  /** Hooks for the resources at Cloudflare. */
  hooks?: pulumi.ResourceHookBinding;
}

/**
 * The identity provider with which people log in to Access. Accounts created since 2026-05-19 lack the one-time PIN
 * that the guide relies on. It belongs to the account and not to a host name, because an account can have only one.
 */
export class LoginProvider extends pulumi.ComponentResource {
  /** Id of the identity provider to use, or `undefined` for all of the account's. */
  public readonly id: pulumi.Output<string> | undefined;

  public constructor(name: string, args: LoginProviderArgs, opts?: pulumi.ComponentResourceOptions) {
    const { hooks = {}, ...inputs } = args;
    super("immich-access:index:LoginProvider", name, inputs, opts);
    const { accountId, choice } = args;
    if (choice === "create") {
      this.id = new cloudflare.ZeroTrustAccessIdentityProvider(
        `${name}-one-time-pin`,
        // The name distinguishes ours from one that existed before.
        { accountId, name: "One-time PIN (immich-access)", type: "onetimepin", config: {} },
        { parent: this, hooks },
      ).id;
    } else if (choice !== "account") {
      this.id = pulumi.output(choice);
    }
    this.registerOutputs({ id: this.id });
  }
}
