import * as pulumi from "@pulumi/pulumi";
import * as cloudflare from "./cloudflare.ts";

export interface LoginProviderArgs {
  accountId: string;
  /**
   * `create` adds a one-time PIN login to the account, `account` offers all that the account has, anything else is the
   * id of an existing identity provider.
   */
  choice: string;
  /** Run around the creation of what is made at Cloudflare. */
  hooks?: pulumi.ResourceHookBinding;
}

/**
 * How people prove to Access who they are. Accounts made since 2026-05-19 come without the one-time PIN that the guide
 * relies on, and an account can have only one of it; so it belongs to the account and not to a host name.
 */
export class LoginProvider extends pulumi.ComponentResource {
  /** Id of the one identity provider that people shall use, or `undefined` for all that the account has. */
  public readonly id: pulumi.Output<string> | undefined;

  public constructor(name: string, args: LoginProviderArgs, opts?: pulumi.ComponentResourceOptions) {
    const { hooks = {}, ...inputs } = args;
    super("immich-access:index:LoginProvider", name, inputs, opts);
    const { accountId, choice } = args;
    if (choice === "create") {
      this.id = new cloudflare.ZeroTrustAccessIdentityProvider(
        `${name}-one-time-pin`,
        // The name tells ours from one that was there before.
        { accountId, name: "One-time PIN (immich-access)", type: "onetimepin", config: {} },
        { parent: this, hooks },
      ).id;
    } else if (choice !== "account") {
      this.id = pulumi.output(choice);
    }
    this.registerOutputs({ id: this.id });
  }
}
