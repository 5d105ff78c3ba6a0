import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { originRuleExpression, originRuleRef } from "./names.ts";
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
    const script = readFileSync(join(import.meta.dirname, "change-rule.mjs"), "utf8");
    const wanted = {
      zone: `${api.url}/zones/${zoneId}`,
      token: api.token,
      revision,
      rule: {
        ref: originRuleRef(hostname),
        description: `immich-access: ${hostname} on port ${port.toString()}`,
        expression: originRuleExpression(hostname),
        action: "route",
        action_parameters: { origin: { port } },
        enabled: true,
      },
    };
    // `sh` and cmd.exe both read this.
    const run = (action: string) => `node --input-type=module - ${action}`;
    const { stdout } = new command.local.Command(
      `${name}-command`,
      {
        create: run("put"),
        update: run("put"),
        delete: run("remove"),
        // The token comes with the script, where no other program sees it.
        stdin: pulumi.secret(pulumi.jsonStringify(wanted).apply((json) => `const wanted = ${json};\n${script}`)),
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this, dependsOn: opts?.dependsOn ?? [] },
    );
    this.rule = pulumi.unsecret(stdout);
    this.registerOutputs({});
  }
}
