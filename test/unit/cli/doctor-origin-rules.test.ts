import { expect, it } from "vitest";
import { originRuleFinding } from "../../../cli/doctor/cloudflare/origin-rules.ts";
import type { RulesetRule } from "../../../cli/doctor/cloudflare/facts.ts";
import { originRuleExpression, originRuleRef } from "../../../components/origin-rule/names.ts";

const NAME = "photos.example.com";
const OURS: RulesetRule = {
  ref: originRuleRef(NAME),
  description: "immich-access",
  expression: originRuleExpression(NAME),
  enabled: true,
  action_parameters: { origin: { port: 8443 } },
};
const owners = (expression: string, port?: number, enabled = true): RulesetRule => ({
  ref: "theirs",
  description: "mine",
  expression,
  enabled,
  action_parameters: { origin: { ...(port !== undefined && { port }) } },
});

it.each<[string, readonly RulesetRule[] | undefined, string, RegExp]>([
  ["is there", [owners("true", 9000), OURS], "ok", /leads Cloudflare to port 8443/],
  ["is missing in a zone without rules", undefined, "wrong", /there is none for photos\.example\.com/],
  ["is missing among the owner's", [owners("true", 8443)], "wrong", /there is none/],
  ["is turned off", [{ ...OURS, enabled: false }], "wrong", /turned off/],
  ["is for another name", [{ ...OURS, expression: "true" }], "wrong", /another expression: true/],
  ["leads elsewhere", [{ ...OURS, action_parameters: { origin: { port: 9443 } } }], "wrong", /port 9443, not 8443/],
  ["is overridden", [OURS, owners(`http.host eq "${NAME}"`, 9000)], "wrong", /"mine" comes after it .* port 9000/],
  ["may be overridden", [OURS, owners("ssl", 9000)], "warning", /may lead photos\.example\.com to port 9000/],
  ["is followed by one for another name", [OURS, owners('http.host eq "x.example.com"', 9000)], "ok", /leads/],
  ["is followed by one to the same port", [OURS, owners("true", 8443)], "ok", /leads/],
  ["is followed by one without a port", [OURS, owners("true")], "ok", /leads/],
  ["is followed by one that is off", [OURS, owners("true", 9000, false)], "ok", /leads/],
])("the rule of a name that %s", (_, rules, status, says) => {
  const found = originRuleFinding(rules && { rules }, NAME, 8443);
  expect(found).toMatchObject({ status, says: expect.stringMatching(says) as string });
});
