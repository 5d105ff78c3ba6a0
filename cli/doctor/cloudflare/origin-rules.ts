// The rule that leads Cloudflare to another port of the host than 443.
import { originRuleExpression, originRuleRef } from "../../../components/origin-rule/names.ts";
import { type Check, type Finding, failed, passed } from "../finding.ts";
import type { Ruleset, RulesetRule } from "./facts.ts";

/** Check of a name's origin rule; the finding if the zone's rules cannot be read. */
export const RULE: Check = {
  id: "origin-rule",
  place: "cloudflare",
  title: "Origin rule",
  why: "Cloudflare connects to another port than the site's: visitors get 521, 522, or what another program answers.",
  fix: "pulumi config set hostRevision <one more> && pulumi up",
};

/**
 * Whether a name's rule is there, and no rule of the owner's takes its place: of several that match, the last one counts.
 *
 * @param ruleset the zone's origin rules; `undefined` if it has none
 */
export function originRuleFinding(ruleset: Ruleset | undefined, hostname: string, port: number): Finding {
  const rules = ruleset?.rules ?? [];
  const place = rules.findIndex(({ ref }) => ref === originRuleRef(hostname));
  const own = rules[place];
  if (!own) return failed(RULE, `there is none for ${hostname}`);
  if (own.enabled === false) return failed(RULE, `the rule for ${hostname} is turned off`);
  if (own.expression !== originRuleExpression(hostname)) {
    return failed(RULE, `the rule for ${hostname} has another expression: ${own.expression ?? "none"}`);
  }
  const led = own.action_parameters?.origin?.port;
  if (led !== port) return failed(RULE, `it leads to port ${String(led)}, not ${port.toString()}`);
  const later = rules.slice(place + 1).filter((rule) => rule.enabled !== false && otherThan(rule, port));
  const sure = later.find((rule) => named(rule).includes(hostname));
  if (sure) return failed(RULE, `${words(sure)} comes after it and leads ${hostname} to ${portOf(sure)}`, MOVE);
  const perhaps = later.find((rule) => !isForOthers(rule));
  if (perhaps) {
    const says = `${words(perhaps)} comes after it and may lead ${hostname} to ${portOf(perhaps)}`;
    return failed(RULE, says, MOVE, "warning");
  }
  return passed(RULE, `leads Cloudflare to port ${port.toString()}`);
}

/** The owner's rules are nobody else's to change. */
const MOVE = "put it before that of immich-access, or except the name from it (dashboard, Rules, Overview)";

const otherThan = ({ action_parameters: told }: RulesetRule, port: number) =>
  told?.origin?.port !== undefined && told.origin.port !== port;

const portOf = ({ action_parameters: told }: RulesetRule) => `port ${String(told?.origin?.port)}`;

/** The names in an expression. */
const named = ({ expression = "" }: RulesetRule) => [...expression.matchAll(/"([^"]*)"/g)].map(([, name]) => name);

/** Whether a rule is for certain names alone. */
const isForOthers = ({ expression = "" }: RulesetRule) =>
  /^\(?http\.host (eq|in) /.test(expression) && !/ (or|\|\|) /.test(expression);

const words = ({ description = "", expression = "" }: RulesetRule) => `the rule "${description || expression}"`;
