// The Access half of the status page: applications, tokens, logins, PINs. No secret is ever among them, but for the
// PINs, which are there because the sandbox sends no mail.

import { html } from "hono/html";
import type { AccessApp, AccessPolicy, Decision, Rule, State } from "../state.ts";
import { badge, code, ends, moment, onOff, section, table, type Tone } from "./parts.ts";

const DECISIONS: Record<Decision, [label: string, tone: Tone]> = {
  bypass: ["Bypass", "bad"],
  non_identity: ["Service Auth", "good"],
  allow: ["Allow", "good"],
  deny: ["Block", "warn"],
};

const decision = (policy: AccessPolicy) => badge(...DECISIONS[policy.decision]);

/** A rule in words; a service token and a provider by their names. */
function words(state: State, rule: Rule): string {
  return Object.entries(rule)
    .map(([selector, value]) => {
      const given = Object.values(value).map(String)[0];
      const named =
        state.service_tokens.find((token) => token.id === given)?.name ??
        state.identity_providers.find((provider) => provider.id === given)?.name ??
        given;
      const label = selector.replaceAll("_", " ");
      return named === undefined ? label : `${label} ${named}`;
    })
    .join(" and ");
}

function rules(state: State, { include, require, exclude }: AccessPolicy) {
  const list = (all: Rule[], joint: string): string => all.map((rule) => words(state, rule)).join(joint);
  return html`${list(include, " or ")} ${require.length === 0 ? "" : html`<br />must be: ${list(require, " and ")}`}
  ${exclude.length === 0 ? "" : html`<br />must not be: ${list(exclude, " or ")}`}`;
}

const policyRow = (state: State, policy: AccessPolicy, precedence: string) => ({
  cells: [precedence, policy.name, decision(policy), rules(state, policy), policy.session_duration],
});
const POLICY_HEADS = ["", "Policy", "Action", "Who", "Session"];

/** In the order in which Access asks them: Service Auth and Bypass, then Allow and Block. */
function policies(state: State, app: AccessApp) {
  const attached = [...app.policies]
    .sort((a, b) => a.precedence - b.precedence)
    .flatMap(({ id, precedence }) =>
      state.access_policies.filter((policy) => policy.id === id).map((policy) => ({ policy, precedence })),
    );
  const first = ({ policy }: { policy: AccessPolicy }): boolean => ["bypass", "non_identity"].includes(policy.decision);
  return [...attached.filter(first), ...attached.filter((entry) => !first(entry))];
}

function application(state: State, app: AccessApp) {
  const rows = policies(state, app).map(({ policy, precedence }) => policyRow(state, policy, String(precedence)));
  const allowed = state.identity_providers.filter(({ id }) => app.allowed_idps.includes(id)).map(({ name }) => name);
  return html`<h3>${app.name}</h3>
    <dl>
      <dt>guards</dt>
      <dd>${app.destinations.map(({ uri }) => code(uri))}</dd>
      <dt>audience</dt>
      <dd>${code(app.aud)}</dd>
      <dt>login by</dt>
      <dd>${allowed.length === 0 ? "every identity provider" : allowed.join(", ")}</dd>
      <dt>401 for Service Auth</dt>
      <dd>${onOff(app.service_auth_401_redirect)}</dd>
    </dl>
    ${table(POLICY_HEADS, rows, "No policy is attached: nobody gets in.")}`;
}

export function applications(state: State) {
  const loose = state.access_policies.filter(
    (policy) => !state.access_apps.some((app) => app.policies.some(({ id }) => id === policy.id)),
  );
  const rows = loose.map((policy) => policyRow(state, policy, ""));
  const body = html`${state.access_apps.map((app) => application(state, app))}
  ${state.access_apps.length === 0 ? html`<p class="nothing">None: every proxied name is open to everyone.</p>` : ""}
  ${
    loose.length === 0
      ? ""
      : html`<h3>Policies without an application</h3>
          ${table(POLICY_HEADS, rows, "")}`
  }`;
  return section("Access applications", state.access_apps.length, body);
}

export const organizations = (state: State) =>
  state.organizations.map((organization) =>
    section(
      `Zero Trust ${organization.name}`,
      undefined,
      html`<dl>
        <dt>team domain</dt>
        <dd>${code(organization.auth_domain)}</dd>
        <dt>strict service tokens</dt>
        <dd>${onOff(organization.strict_service_token_auth)}</dd>
        <dt>session</dt>
        <dd>${organization.session_duration}</dd>
        <dt>login by</dt>
        <dd>
          ${state.identity_providers
            .filter(({ account_id }) => account_id === organization.account_id)
            .map(({ name, type }) => html`${name} ${badge(type)} `)}
        </dd>
      </dl>`,
    ),
  );

export function serviceTokens({ service_tokens: tokens }: State) {
  const rows = tokens.map((token) => ({
    class: token.enabled ? "" : "dim",
    cells: [
      token.name,
      code(token.client_id),
      token.enabled ? ends(token.expires_at) : badge("disabled", "bad"),
      `version ${token.client_secret_version}`,
      token.previous_client_secret_expires_at === null
        ? ""
        : html`old secret ends ${ends(token.previous_client_secret_expires_at)}`,
    ],
  }));
  const heads = ["Name", "Client id", "Ends", "Secret", ""];
  return section("Service tokens", tokens.length, table(heads, rows, "None: no device gets in without a login."));
}

export function mailbox({ mailbox: mails }: State) {
  const rows = mails.map((mail) => {
    const over = Date.parse(mail.expires_at) <= Date.now();
    return {
      class: over ? "dim" : "",
      cells: [
        moment(mail.at),
        mail.to,
        html`<b class="pin">${mail.pin}</b>`,
        mail.application,
        over ? "over" : "valid",
      ],
    };
  });
  return section("Mailbox", mails.length, table(["At", "To", "PIN", "For", ""], rows, "No PIN was asked for."));
}
