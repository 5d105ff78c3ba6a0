import * as pulumi from "@pulumi/pulumi";
import { hostStep, hostStepOnDelete, type HostConnection } from "./host-step.ts";

export interface FormerPortArgs {
  connection: HostConnection;
  /** Owner id as in the firewall step. */
  owner: string;
  /** What leads Cloudflare to the present port: all origin rules, as they are. */
  after: pulumi.Input<string>;
}

/**
 * Closes the port on which the sites were served before, once Cloudflare comes to the present one. Until then nginx
 * serves both, so a change of the port interrupts nothing.
 */
export class FormerPort extends pulumi.ComponentResource {
  public constructor(name: string, { connection, ...payload }: FormerPortArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:FormerPort", name, {}, opts);
    hostStep(`${name}-command`, "former-port-close", connection, payload, { parent: this });
    this.registerOutputs({});
  }
}

/**
 * The same on the way back to 443: creating it does nothing, deleting it closes the other port. The origin rules depend on
 * it, so they are deleted first.
 */
export class OtherPort extends pulumi.ComponentResource {
  public constructor(
    name: string,
    { connection, owner }: Omit<FormerPortArgs, "after">,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("immich-access:index:OtherPort", name, {}, opts);
    hostStepOnDelete(
      `${name}-command`,
      "former-port-close",
      connection,
      { owner, after: "the origin rules are gone" },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
