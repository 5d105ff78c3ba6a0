// Decides by an application's policies. Pure functions.

import { BlockList, isIPv6 } from "node:net";
import type { AccessApp, AccessPolicy, Decision, Rule, ServiceToken, State } from "../api/state.ts";
import type { Selector } from "../api/routes/access-rules.ts";

/** What is known about a visitor. */
export interface Visitor {
  /** IP address. */
  address: string;
  /** After a login: the address that was proved, lower case, and the id of the identity provider that proved it. */
  login?: { email: string; provider: string };
  /** The authenticated service token. */
  token?: ServiceToken | undefined;
}

function inRange(address: string, range: string): boolean {
  const [base = "", bits] = range.split("/");
  const family = isIPv6(base) ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(base, Number(bits ?? (family === "ipv6" ? 128 : 32)), family);
  return list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

const SELECTORS: Record<Selector, (value: Record<string, unknown>, visitor: Visitor) => boolean> = {
  email: ({ email }, { login }) => login !== undefined && login.email === String(email).toLowerCase(),
  email_domain: ({ domain }, { login }) =>
    login !== undefined && login.email.slice(login.email.lastIndexOf("@") + 1) === String(domain).toLowerCase(),
  everyone: () => true,
  ip: ({ ip }, { address }) => inRange(address, String(ip)),
  login_method: ({ id }, { login }) => login?.provider === id,
  service_token: ({ token_id }, { token }) => token?.id === token_id,
  any_valid_service_token: (_, { token }) => token !== undefined,
};

function holds(rule: Rule, visitor: Visitor): boolean {
  return Object.entries(rule).every(([selector, value]) => {
    const test = SELECTORS[selector as Selector] as (typeof SELECTORS)[Selector] | undefined;
    // The API takes only known selectors. A typing error in a state that was edited by hand must not admit anyone.
    if (test === undefined) throw new Error(`Access has no selector ${selector}`);
    return test(value, visitor);
  });
}

/** Include: any of them. Require: all of them. Exclude: none of them. */
export function applies({ include, require, exclude }: AccessPolicy, visitor: Visitor): boolean {
  const test = (rule: Rule): boolean => holds(rule, visitor);
  return include.some(test) && require.every(test) && !exclude.some(test);
}

/** The application's policies with one of these decisions, by precedence. */
function policiesOf(state: State, app: AccessApp, ...decisions: Decision[]): AccessPolicy[] {
  return [...app.policies]
    .sort((a, b) => a.precedence - b.precedence)
    .flatMap(({ id }) => state.access_policies.filter((policy) => policy.id === id))
    .filter((policy) => decisions.includes(policy.decision));
}

/** The Service Auth or Bypass policy that admits the visitor without a login. These come before all others. */
export const withoutLogin = (state: State, app: AccessApp, visitor: Visitor): AccessPolicy | undefined =>
  policiesOf(state, app, "non_identity", "bypass").find((policy) => applies(policy, visitor));

/** The Allow policy that admits the visitor, unless a Block policy before it applies. Without either: nobody. */
export function afterLogin(state: State, app: AccessApp, visitor: Visitor): AccessPolicy | undefined {
  const first = policiesOf(state, app, "allow", "deny").find((policy) => applies(policy, visitor));
  return first?.decision === "allow" ? first : undefined;
}

/** Whether the application has a policy with this decision. */
export const hasPolicy = (state: State, app: AccessApp, decision: Decision): boolean =>
  policiesOf(state, app, decision).length > 0;
