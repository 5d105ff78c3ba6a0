import { readFileSync } from "node:fs";
import { join } from "node:path";
import { originRuleExpression, originRuleRef } from "./names.ts";

/** One name's rule, and where it belongs. */
export interface WantedRule {
  /** Address of the zone in Cloudflare's API. */
  zone: string;
  /** API token. */
  token: string;
  hostname: string;
  /** Port of the host that Cloudflare connects to. */
  port: number;
  /** A change of it has the rule looked at again. */
  revision: number;
}

/** What to do with the rule. */
export type Action = "put" | "remove";

/** The command line for a script on its standard input. `sh` and cmd.exe both read it. */
export const ruleCommand = (action: Action): string => `node --input-type=module - ${action}`;

/** The script, with the token in it, which so no other program sees. */
export function ruleScript({ hostname, port, ...place }: WantedRule): string {
  const rule = {
    ref: originRuleRef(hostname),
    description: `immich-access: ${hostname} on port ${port.toString()}`,
    expression: originRuleExpression(hostname),
    action: "route",
    action_parameters: { origin: { port } },
    enabled: true,
  };
  const script = readFileSync(join(import.meta.dirname, "change-rule.mjs"), "utf8");
  return `const wanted = ${JSON.stringify({ ...place, rule })};\n${script}`;
}
