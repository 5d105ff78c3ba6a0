import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { ruleCommand, ruleScript } from "./script.ts";
import type { CloudflareApi } from "../origin-pulls/index.ts";

export interface OriginRuleArgs {
  zoneId: string;
  /** Host name of the site. */
  hostname: string;
  /** Port of the host that Cloudflare connects to for this name. */
  port: number;
  /** A change of the revision puts the rule back, should somebody have changed or deleted it. */
  revision: number;
  api: Pick<CloudflareApi, "url" | "token">;
}

/**
 * An origin rule, which leads Cloudflare to another port of the host than 443 for one name.
 *
 * The provider's `Ruleset` owns all origin rules of a zone, the owner's too, and replaces them. This changes one rule
 * only. It is a command on the workstation and no dynamic provider, which would keep the token in a function's text.
 */
export class OriginRule extends pulumi.ComponentResource {
  /** Id of the rule and its port, for what has to follow the rule. */
  public readonly rule: pulumi.Output<string>;

  public constructor(name: string, args: OriginRuleArgs, opts?: pulumi.ComponentResourceOptions) {
    super("immich-access:index:OriginRule", name, {}, opts);
    const { zoneId, hostname, port, revision, api } = args;
    const zone = `${api.url}/zones/${zoneId}`;
    const { stdout } = new command.local.Command(
      `${name}-command`,
      {
        create: ruleCommand("put"),
        update: ruleCommand("put"),
        delete: ruleCommand("remove"),
        stdin: pulumi.secret(
          pulumi.output(api.token).apply((token) => ruleScript({ zone, token, hostname, port, revision })),
        ),
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      // Directly, because deletions follow no dependency through a component that stays.
      { parent: this, dependsOn: opts?.dependsOn ?? [] },
    );
    this.rule = pulumi.unsecret(stdout);
    this.registerOutputs({});
  }
}
