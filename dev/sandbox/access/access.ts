import type { AccessApp, AccessPolicy, Organization, ServiceToken } from "../api/state.ts";
import type { Answer } from "../edge/answers.ts";
import type { Feed } from "../edge/feed.ts";
import { zoneOf } from "../edge/sites.ts";
import { AppEndpoints, type Handovers, HANDOVER_MS } from "./app-endpoints.ts";
import { applicationFor, isInForce, organizationOf } from "./applications.ts";
import { appCookie, appSession } from "./cookies.ts";
import { Expiring } from "./expiring.ts";
import { sign } from "./jwt.ts";
import { hasPolicy, withoutLogin } from "./policies.ts";
import { originOf, problem, redirect, refusal, sha256 } from "./replies.ts";
import { authenticate, credentialsOf } from "./service-tokens.ts";
import { secondsOf, serviceToken, Sessions } from "./sessions.ts";
import { TeamDomain } from "./team-domain.ts";
import type { Verdict, Visit } from "./visit.ts";

/** How long a person may take for a login. */
const LOGIN_SECONDS = 1800;

const refuse = (visit: Visit, app: AccessApp, status: 401 | 403): Verdict => ({
  pass: false,
  answer: refusal(visit, app, status),
});

/**
 * Cloudflare Access: protects the host names that have an application, by its policies, and logs people in. As at
 * Cloudflare, a name without an application is open to everyone.
 */
export class Access {
  readonly #sessions: Sessions;
  readonly #endpoints: AppEndpoints;
  readonly #team: TeamDomain;

  /** @param feed receives what must survive a restart of the edge, and the mails. */
  constructor(feed: Feed) {
    const handovers: Handovers = new Expiring(HANDOVER_MS);
    this.#sessions = new Sessions(feed);
    this.#endpoints = new AppEndpoints(this.#sessions, handovers);
    this.#team = new TeamDomain(feed, this.#sessions, handovers);
  }

  /** Decides on a request to a site. */
  async guard(visit: Visit): Promise<Verdict> {
    const { edge, host, path } = visit;
    const answer = await this.#endpoints.answer(visit);
    if (answer !== undefined) return { pass: false, answer };
    const app = applicationFor(edge.state, host, path);
    if (app !== undefined && !isInForce(edge.state, app)) return { pass: true };
    if (app !== undefined) return this.#decide(visit, app, organizationOf(edge.state, app.account_id));
    const account = zoneOf(edge.state, host)?.account_id;
    const closed = edge.state.organizations.some((one) => one.account_id === account && one.deny_unmatched_requests);
    if (!closed) return { pass: true };
    return { pass: false, answer: problem(403, "Forbidden", "No Access application covers this address.") };
  }

  /** Answers requests to the team domain. */
  team(visit: Visit): Promise<Answer> {
    return this.#team.answer(visit);
  }

  async #decide(visit: Visit, app: AccessApp, organization: Organization): Promise<Verdict> {
    const { state } = visit.edge;
    const options = visit.method === "OPTIONS";
    if (options && app.options_preflight_bypass) return { pass: true };

    const credentials = credentialsOf(visit.request, app);
    const token = authenticate(state, app.account_id, credentials);
    const visitor = { address: visit.address, token };
    const policy = withoutLogin(state, app, visitor);
    if (policy?.decision === "bypass") return { pass: true };
    // In strict mode, wrong credentials are refused even beside a valid cookie, and without a redirect to the login.
    const strict = organization.strict_service_token_auth && credentials !== "none";
    if (strict && token === undefined) return refuse(visit, app, 401);
    if (policy !== undefined) return this.#admitService(app, organization, policy, token);
    if (strict) return refuse(visit, app, 403);

    const login = hasPolicy(state, app, "allow");
    const session = login ? await this.#sessions.atApp(visit, organization, app) : undefined;
    if (session !== undefined) return { pass: true, headers: { "cf-access-jwt-assertion": session.token } };
    if (options) return refuse(visit, app, 403);
    const refused = app.service_auth_401_redirect && hasPolicy(state, app, "non_identity");
    if (refused && (credentials !== "none" || !login || state.options.access_401_for_people)) {
      return refuse(visit, app, 401);
    }
    if (!login) return refuse(visit, app, 403);
    // A script cannot follow a redirect to another site, so it gets a status instead.
    if (visit.request.headers["x-requested-with"] === "XMLHttpRequest") return refuse(visit, app, 401);
    return { pass: false, answer: await this.#toLogin(visit, app, organization) };
  }

  async #admitService(
    app: AccessApp,
    organization: Organization,
    policy: AccessPolicy,
    token: ServiceToken | undefined,
  ): Promise<Verdict> {
    const seconds = secondsOf(policy.session_duration);
    const jwt = await serviceToken(organization, app, token?.client_id, seconds);
    const cookies = token === undefined || organization.strict_service_token_auth ? [] : [appCookie(app, jwt, seconds)];
    return { pass: true, headers: { "cf-access-jwt-assertion": jwt }, cookies };
  }

  async #toLogin(visit: Visit, app: AccessApp, organization: Organization): Promise<Answer> {
    const { host, url, path } = visit;
    const session = appSession(visit);
    const claims = {
      aud: organization.auth_domain,
      kid: app.aud,
      hostname: host,
      redirect_url: url,
      app_session_hash: sha256(session.id),
      service_token_status: false,
      auth_status: "NONE",
    };
    const meta = await sign(organization, "meta", claims, LOGIN_SECONDS);
    const query = new URLSearchParams({ kid: app.aud, meta, redirect_url: url });
    const resource = `${originOf(host, visit)}/.well-known/cloudflare-access-protected-resource${path}`;
    return redirect(
      `${originOf(organization.auth_domain, visit)}/cdn-cgi/access/login/${host}?${query.toString()}`,
      [session.cookie],
      { "www-authenticate": `Cloudflare-Access resource_metadata="${resource.replaceAll('"', "%22")}"` },
    );
  }
}
