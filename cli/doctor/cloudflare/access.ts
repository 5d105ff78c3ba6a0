import { FOREVER, tokenLeadDays } from "../../../components/token-end.ts";
import { type Check, expiryFinding, type Finding, failed, fromProblem, passed } from "../finding.ts";
import type { Application, IdentityProvider, Organization, Policy, Rule, ServiceToken } from "./facts.ts";
import { REFRESH_UP } from "./zone.ts";

/** Access as the stack declares it. */
export interface ExpectedAccess {
  hostname: string;
  /** Audience tag in the stack's outputs; `undefined` before the first `up`. */
  audience: string | undefined;
  emails: readonly string[];
  emailDomains: readonly string[];
  anyServiceToken: boolean;
  /** Client ids by device. */
  devices: Readonly<Record<string, string>>;
  /** How long a token lasts, like 8760h, or `forever`. */
  tokenDuration: string;
  /** Whether an `up` refreshes a token that is due. */
  tokenRefresh: boolean;
  /** `create`, `account`, or the id of an identity provider. */
  loginProvider: string;
}

/** Check of the application; the finding if the applications cannot be read. */
export const APPLICATION: Check = {
  id: "access-application",
  place: "cloudflare",
  title: "Access application",
  why: "Without it nobody has to log in: everyone on the internet reaches Immich.",
  fix: REFRESH_UP,
};
const POLICIES: Check = {
  id: "access-policies",
  place: "cloudflare",
  title: "Access policies",
  why: "They decide who is allowed. The one for devices precedes the one for people, because Access evaluates it first.",
  fix: REFRESH_UP,
};
const HOLES: Check = {
  id: "access-holes",
  place: "cloudflare",
  title: "No way around the login",
  why: "Bypass and Everyone admit strangers, and any service token admits one that was made for something else.",
  fix: `${REFRESH_UP}; another application: delete it in the dashboard, Zero Trust, Access`,
};
const LOGIN: Check = {
  id: "login-provider",
  place: "cloudflare",
  title: "Login",
  why: "Nobody can log in in a browser.",
  fix: REFRESH_UP,
};

/** The findings about the application that protects the site, and about others that could bypass it. */
export function applicationFindings(
  all: readonly Application[],
  providers: readonly IdentityProvider[],
  tokens: readonly ServiceToken[],
  wanted: ExpectedAccess,
): Finding[] {
  const covering = all.filter((application) => uris(application).some((uri) => covers(uri, wanted.hostname)));
  const own = applicationOf(covering, wanted.hostname);
  const guard = own ? applicationFinding(own, wanted) : failed(APPLICATION, `none for ${wanted.hostname}`);
  const rest = own ? [policies(own, tokens, wanted), login(own, providers, wanted)] : [];
  return [guard, holes(covering, wanted), ...rest];
}

const uris = ({ domain, destinations }: Application) => [
  ...(domain == null ? [] : [domain]),
  ...(destinations ?? []).flatMap(({ uri }) => (uri === undefined ? [] : [uri])),
];

/** The application that guards a whole host name, if there is one. */
const applicationOf = (all: readonly Application[], hostname: string) =>
  all.find((application) => uris(application).includes(hostname));

/** How long Access takes until a new or changed application is in force everywhere. */
const SETTLING_MS = 120_000;

/** Whether the application of a host name has changed so lately that it may not be in force yet. */
export function isSettling(all: readonly Application[], hostname: string, now: number): boolean {
  const { created_at: created = "", updated_at: updated = "" } = applicationOf(all, hostname) ?? {};
  return [created, updated].some((time) => now - Date.parse(time) < SETTLING_MS);
}

/** Whether an application's address covers the host name: the name itself, a path below it, a wildcard over it. */
function covers(uri: string, hostname: string): boolean {
  const host = uri.split("/")[0] ?? "";
  const labels = (name: string) => name.split(".").slice(1).join(".");
  return host === hostname || (host.startsWith("*") && labels(host) === labels(hostname));
}

function applicationFinding({ aud }: Application, { hostname, audience }: ExpectedAccess): Finding {
  return fromProblem(
    APPLICATION,
    audience === undefined || aud === audience ? undefined : `the one for ${hostname} is not the stack's`,
    `guards ${hostname} and every path below it`,
  );
}

const selectors = (policy: Policy) => policy.include.flatMap((rule) => Object.keys(rule));

function holes(covering: readonly Application[], { anyServiceToken }: ExpectedAccess): Finding {
  const found = covering.flatMap((application) =>
    (application.policies ?? []).flatMap((policy) => {
      const where = `policy «${policy.name}» of «${application.name}»`;
      if (policy.decision === "bypass") return [`${where} is a Bypass`];
      if (policy.decision === "deny") return [];
      if (selectors(policy).includes("everyone")) return [`${where} admits everyone`];
      const any = selectors(policy).includes("any_valid_service_token");
      return any && !anyServiceToken ? [`${where} admits every service token of the account`] : [];
    }),
  );
  return fromProblem(HOLES, found.length === 0 ? undefined : found.join(", "), "no Bypass, no Everyone");
}

function policies({ policies: listed = [] }: Application, tokens: readonly ServiceToken[], wanted: ExpectedAccess) {
  const [forPeople, forDevices] = ["allow", "non_identity"].map((decision) =>
    listed.filter((policy) => policy.decision === decision),
  ) as [Policy[], Policy[]];
  const [people] = forPeople;
  const [devices] = forDevices;
  if (!people) return failed(POLICIES, "none for people: nobody can log in");
  const hasDevices = wanted.anyServiceToken || Object.keys(wanted.devices).length > 0;
  if (hasDevices && !devices) return failed(POLICIES, "none for devices: no phone gets in");
  if (devices && devices.precedence > people.precedence) return failed(POLICIES, "the one for people comes first");
  const extra = [
    ...forPeople.flatMap((policy) => unexpected(policy, peopleRules(wanted))),
    ...(wanted.anyServiceToken ? [] : forDevices.flatMap((policy) => unexpected(policy, deviceRules(tokens, wanted)))),
  ];
  if (extra.length > 0) return failed(POLICIES, `also admits ${extra.join(", ")}`);
  const lacking = missing(forPeople, peopleRules(wanted));
  if (lacking.length > 0) return failed(POLICIES, `does not admit ${lacking.join(", ")}`);
  const count = listed.length > (devices ? 2 : 1) ? `, ${listed.length.toString()} policies in all` : "";
  return passed(POLICIES, `${devices ? "devices, then people" : "people only"}${count}`);
}

const ruleText = (rule: Rule) =>
  Object.entries(rule)
    .map(([selector, value]) => `${selector} ${Object.values(value).map(String).join(" ")}`.trim())
    .join(" and ");
const peopleRules = ({ emails, emailDomains }: ExpectedAccess) => [
  ...emails.map((email) => ruleText({ email: { email } })),
  ...emailDomains.map((domain) => ruleText({ email_domain: { domain } })),
];
const deviceRules = (tokens: readonly ServiceToken[], { devices }: ExpectedAccess) =>
  tokens
    .filter(({ client_id }) => Object.values(devices).includes(client_id))
    .map(({ id }) => ruleText({ service_token: { token_id: id } }));
const same = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();
const unexpected = ({ include }: Policy, expected: readonly string[]) =>
  include.map(ruleText).filter((text) => !expected.some((one) => same(one, text)));
const missing = (listed: readonly Policy[], expected: readonly string[]) =>
  expected.filter((one) => !listed.some(({ include }) => include.map(ruleText).some((text) => same(one, text))));

function login({ allowed_idps = [] }: Application, providers: readonly IdentityProvider[], wanted: ExpectedAccess) {
  const offered = providers.filter(({ id }) => allowed_idps.length === 0 || allowed_idps.includes(id));
  if (offered.length === 0) return failed(LOGIN, "the identity provider of the application does not exist any more");
  if (wanted.loginProvider === "create" && !offered.some(({ type }) => type === "onetimepin")) {
    return failed(LOGIN, "no one-time PIN among the identity providers");
  }
  return passed(LOGIN, offered.map(({ name }) => name).join(", "));
}

/** Check of the organisation; the finding if it cannot be read. */
export const STRICT: Check = {
  id: "strict-tokens",
  place: "cloudflare",
  title: "Strict service tokens",
  why: "A request with a service token could also pass by the policies for logins, and gets a cookie that outlives the token.",
  fix: 'PATCH /accounts/<accountId>/access/organizations of Cloudflare\'s API with {"strict_service_token_auth": true}',
};

/** Whether the organisation authenticates service tokens strictly. Organisations since 2026-10-05 always do. */
export function strictTokensFinding({ strict_service_token_auth: strict }: Organization): Finding {
  return strict === true ? passed(STRICT, "on") : failed(STRICT, "off", STRICT.fix, "warning");
}

/** Check of the devices' tokens; the finding if they cannot be read. */
export const TOKENS: Check = {
  id: "device-tokens",
  place: "cloudflare",
  title: "Tokens of devices",
  why: "Without a valid token Access blocks the device.",
  fix: "",
};
/** The place in the dashboard where service tokens are. */
const CREDENTIALS = "in the dashboard, Zero Trust, Access controls, Service credentials";
const token = (device: string, tokenRefresh: boolean): Check => ({
  ...TOKENS,
  id: `token-${device}`,
  title: `Token of ${device}`,
  fix: `${tokenRefresh ? "pulumi up, which refreshes it" : `${CREDENTIALS}: Refresh`}; ${device} keeps its values`,
});

/** Whether each device's token exists and is enabled, and when it expires. */
export function tokenFindings(tokens: readonly ServiceToken[], wanted: ExpectedAccess, now: Date): Finding[] {
  const { devices, tokenRefresh } = wanted;
  return Object.entries(devices).map(([device, clientId]) => {
    const check = token(device, tokenRefresh);
    const found = tokens.find(({ client_id }) => client_id === clientId);
    if (!found) return failed(check, "does not exist any more", `${REFRESH_UP}, then the new values into the app`);
    if (found.enabled === false) return failed(check, "is disabled", `${CREDENTIALS}: enable it`);
    const finding = endFinding(check, found.expires_at ?? undefined, wanted, now);
    const grace = found.previous_client_secret_expires_at;
    const both = grace !== undefined && Date.parse(grace) > now.getTime();
    return both ? { ...finding, says: `${finding.says}; its former secret works until ${grace}` } : finding;
  });
}

function endFinding(check: Check, end: string | undefined, wanted: ExpectedAccess, now: Date): Finding {
  const { tokenDuration, tokenRefresh } = wanted;
  if (tokenDuration === FOREVER) {
    return end === undefined ? passed(check, "never ends, as tokenDuration says") : endsAnyway(check, end, now);
  }
  if (end === undefined) return failed(check, "never ends", REFRESH_UP, "warning");
  const finding = expiryFinding(check, end, now, tokenLeadDays(end, now, tokenDuration));
  return finding.due && tokenRefresh
    ? { ...finding, says: `${finding.says}: the next \`pulumi up\` refreshes it` }
    : finding;
}

/** The finding about a token that ends although the settings say `forever`. */
function endsAnyway(check: Check, end: string, now: Date): Finding {
  const finding = expiryFinding({ ...check, fix: REFRESH_UP }, end, now);
  return finding.status === "ok" ? failed(check, `${finding.says}, not forever`, REFRESH_UP, "warning") : finding;
}
