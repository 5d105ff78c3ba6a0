// The team domain: logins, logouts, and the keys that verify tokens.

import type { IncomingMessage } from "node:http";
import type { AccessApp, IdentityProvider, Organization } from "../api/state.ts";
import { teamOf } from "../edge/sites.ts";
import type { Answer } from "../edge/answers.ts";
import type { Feed } from "../edge/feed.ts";
import { type Handovers, loggedOut } from "./app-endpoints.ts";
import { applicationsOf } from "./applications.ts";
import { noTeamCookie, teamCookie, teamSession } from "./cookies.ts";
import { certs, type Identity, newNonce, verify } from "./jwt.ts";
import { chooser, type LoginFrame, noAccess, pinPage, providerPage } from "./login-pages.ts";
import { PIN_LIFETIME_MS, Pins } from "./pins.ts";
import { afterLogin } from "./policies.ts";
import { json, originOf, problem, redirect } from "./replies.ts";
import { identityDocument, secondsOf, type Sessions, teamToken } from "./sessions.ts";
import { queryOf, type Visit } from "./visit.ts";

/** A login under way, as the signed state in its address says. */
interface Login extends LoginFrame {
  visit: Visit;
  organization: Organization;
  providers: IdentityProvider[];
  returnTo: string;
  appSessionHash: string;
  /** The browser's session at the team domain, and whether the browser showed it. */
  session: string;
  sessionShown: boolean;
}

const MAX_FORM = 65_536;

/** A form's fields. Undefined if they are too many. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_FORM) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

const emailOf = (form: URLSearchParams): string | undefined => {
  const email = (form.get("email") ?? "").trim().toLowerCase();
  return email.length <= 254 && /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(email) ? email : undefined;
};

const BAD_LOGIN = (): Answer =>
  problem(400, "Invalid login session", "This login took too long or is not one. Open the application again.");

export class TeamDomain {
  readonly #feed: Feed;
  readonly #sessions: Sessions;
  readonly #handovers: Handovers;
  readonly #pins = new Pins();

  constructor(feed: Feed, sessions: Sessions, handovers: Handovers) {
    this.#feed = feed;
    this.#sessions = sessions;
    this.#handovers = handovers;
  }

  async answer(visit: Visit): Promise<Answer> {
    const organization = teamOf(visit.edge.state, visit.host);
    const { path, method } = visit;
    const [, place, argument] = /^\/cdn-cgi\/access\/([a-z-]+)(?:\/([\w.-]+))?$/.exec(path) ?? [];
    const query = queryOf(visit);
    if (organization !== undefined && (method === "GET" || method === "HEAD")) {
      if (place === "certs") return json(200, await certs(organization), { "access-control-allow-origin": "*" });
      if (place === "get-identity") return this.#identity(visit, organization);
      if (place === "logout") return this.#logout(visit, organization);
      if (place === "login") return this.#login(visit, organization, query, argument);
      if (place === "sso") {
        const login = await this.#read(visit, organization, query.get("meta"));
        const provider = login?.providers.find(({ id }) => id === argument);
        return login === undefined || provider === undefined ? BAD_LOGIN() : providerPage(login, provider);
      }
    }
    if (organization !== undefined && method === "POST" && (place === "sso" || place === "verify-code")) {
      const form = await readForm(visit.request);
      if (form === undefined) return problem(413, "Payload Too Large", "This form is too large.");
      const login = await this.#read(visit, organization, form.get("meta"));
      if (login === undefined || !login.sessionShown) return BAD_LOGIN();
      return place === "sso" ? this.#email(login, form, argument) : this.#code(login, form);
    }
    return problem(404, "Not Found", "The sandbox's team domain has no such page.");
  }

  /** The login that a signed state describes. Undefined if it is forged, expired, or its application is gone. */
  async #read(visit: Visit, organization: Organization, meta: string | null): Promise<Login | undefined> {
    const { state } = visit.edge;
    const claims = await verify(organization, "meta", meta ?? undefined, organization.auth_domain);
    if (meta === null || claims === undefined) return undefined;
    // The signature proves that Access wrote these.
    const { kid, hostname, redirect_url, app_session_hash } = claims as Record<string, string>;
    const app = applicationsOf(state, hostname ?? "").find((candidate) => candidate.aud === kid);
    if (app === undefined || hostname === undefined || redirect_url === undefined) return undefined;
    const session = teamSession(visit);
    return {
      visit,
      organization,
      app,
      host: hostname,
      meta,
      providers: providersOf(visit, app),
      returnTo: redirect_url,
      appSessionHash: app_session_hash ?? "",
      session: session.id,
      sessionShown: session.shown,
      cookies: [session.cookie],
    };
  }

  async #login(visit: Visit, organization: Organization, query: URLSearchParams, host?: string): Promise<Answer> {
    const login = await this.#read(visit, organization, query.get("meta"));
    if (login === undefined || login.host !== host) return BAD_LOGIN();
    const identity = (await this.#sessions.atTeam(visit, organization))?.identity;
    if (identity !== undefined && login.providers.some(({ id }) => id === identity.provider)) {
      return this.#finish(login, identity);
    }
    const [first, ...others] = login.providers;
    if (first === undefined) {
      return problem(403, "No login", `${login.app.name} allows no identity provider that this account has.`);
    }
    if (others.length === 0 && (login.app.auto_redirect_to_identity || organization.auto_redirect_to_identity)) {
      return redirect(`/cdn-cgi/access/sso/${first.id}?meta=${encodeURIComponent(login.meta)}`, login.cookies);
    }
    return chooser(login, login.providers);
  }

  /** Someone named an address at an identity provider. */
  async #email(login: Login, form: URLSearchParams, providerId?: string): Promise<Answer> {
    const provider = login.providers.find(({ id }) => id === providerId);
    if (provider === undefined) return BAD_LOGIN();
    const email = emailOf(form);
    if (email === undefined) return providerPage(login, provider, "This is not an email address.");
    if (provider.type === "onetimepin") return this.#sendPin(login, provider, email);
    // The sandbox has no Cloudflare login, so it trusts the address that is entered.
    const { accounts } = login.visit.edge.state;
    const members = accounts.find(({ id }) => id === provider.account_id)?.members ?? [];
    if (!members.some((member) => member.toLowerCase() === email)) {
      return providerPage(login, provider, `${email} is not a member of this Cloudflare account.`);
    }
    return this.#finish(login, { email, provider: provider.id, nonce: newNonce() });
  }

  async #sendPin(login: Login, provider: IdentityProvider, email: string): Promise<Answer> {
    const { app, session, visit } = login;
    const visitor = { address: visit.address, login: { email, provider: provider.id } };
    const admitted = afterLogin(visit.edge.state, app, visitor) !== undefined;
    const { id, pin } = this.#pins.start({ email, provider: provider.id, aud: app.aud, session }, admitted);
    if (pin !== undefined) {
      const expires_at = new Date(Date.now() + PIN_LIFETIME_MS).toISOString();
      await this.#feed.tell("mailbox", { to: email, pin, application: app.name, expires_at });
    }
    return pinPage(login, email, id);
  }

  async #code(login: Login, form: URLSearchParams): Promise<Answer> {
    const attempt = form.get("attempt") ?? "";
    const proof = this.#pins.check(attempt, (form.get("code") ?? "").trim(), {
      aud: login.app.aud,
      session: login.session,
    });
    if (proof === "wrong") return pinPage(login, emailOf(form) ?? "", attempt, "That code is not right.");
    const provider = login.providers.find(({ id }) => proof !== "over" && id === proof.provider);
    if (proof === "over" || provider === undefined) {
      const pinProvider = login.providers.find(({ type }) => type === "onetimepin");
      if (pinProvider === undefined) return BAD_LOGIN();
      return providerPage(login, pinProvider, "That code has expired or was tried too often. Ask for a new one.");
    }
    return this.#finish(login, { email: proof.email, provider: provider.id, nonce: newNonce() });
  }

  /** Someone is logged in: keeps that at the team domain, and goes back to the application if a policy admits them. */
  async #finish(login: Login, identity: Identity): Promise<Answer> {
    const { app, host, organization, visit, returnTo, appSessionHash } = login;
    const token = await teamToken(organization, identity);
    const cookies = [...login.cookies, teamCookie(token, secondsOf(organization.session_duration))];
    const policy = afterLogin(visit.edge.state, app, { address: visit.address, login: identity });
    if (policy === undefined) return noAccess({ ...login, cookies }, identity.email);
    // A policy's duration takes precedence over the application's.
    const seconds = secondsOf(policy.session_duration);
    const nonce = this.#handovers.add({ host, aud: app.aud, returnTo, appSessionHash, identity, seconds });
    return redirect(`${originOf(host, visit)}/cdn-cgi/access/authorized?nonce=${nonce}`, cookies);
  }

  async #identity(visit: Visit, organization: Organization): Promise<Answer> {
    const session = await this.#sessions.atTeam(visit, organization);
    if (session === undefined) return json(400, { err: "no org token set" });
    return json(200, identityDocument(organization, session.claims));
  }

  async #logout(visit: Visit, organization: Organization): Promise<Answer> {
    const session = await this.#sessions.atTeam(visit, organization);
    if (session !== undefined) await this.#sessions.end(session.identity.nonce);
    return loggedOut([noTeamCookie()]);
  }
}

/** The account's identity providers that the application allows: all of them if it names none. */
function providersOf({ edge }: Visit, app: AccessApp): IdentityProvider[] {
  return edge.state.identity_providers.filter(
    ({ id, account_id }) =>
      account_id === app.account_id && (app.allowed_idps.length === 0 || app.allowed_idps.includes(id)),
  );
}
