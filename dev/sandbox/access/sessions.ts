// Sessions: the cookie at an application, and the cookie at the team domain.

import type { JWTPayload } from "jose";
import { goDuration } from "../api/bodies.ts";
import type { AccessApp, Organization } from "../api/state.ts";
import type { Feed } from "../edge/feed.ts";
import { cookiesOf, valuesOf } from "../edge/headers.ts";
import { AUTHORIZATION } from "./cookies.ts";
import { type Identity, sign, subjectOf, verify } from "./jwt.ts";
import { usableToken } from "./service-tokens.ts";
import type { Visit } from "./visit.ts";

/** The longest session that can be configured. One that was logged out longer ago has expired anyway. */
const LONGEST_SECONDS = 31 * 86_400;

/** Seconds of a configured duration. "0s" keeps nothing, but a login must last until the page has loaded. */
export const secondsOf = (duration: string): number => Math.max(60, Math.floor((goDuration(duration) ?? 0) / 1000));

/** The location of a visitor by IP address; the sandbox knows none. */
const COUNTRY = "XX";

/** A verified token and its claims. */
export interface AppSession {
  token: string;
  claims: JWTPayload;
}

const identityOf = ({ email, idp, identity_nonce: nonce }: JWTPayload): Identity | undefined =>
  typeof email === "string" && typeof idp === "string" && typeof nonce === "string"
    ? { email, provider: idp, nonce }
    : undefined;

const userClaims = (organization: Organization, { email, nonce }: Identity): JWTPayload => ({
  email,
  nbf: Math.floor(Date.now() / 1000),
  identity_nonce: nonce,
  sub: subjectOf(organization, email),
  country: COUNTRY,
});

/** The token of a user for an application. */
export const userToken = (
  organization: Organization,
  app: AccessApp,
  identity: Identity,
  seconds: number,
): Promise<string> => sign(organization, "app", { aud: [app.aud], ...userClaims(organization, identity) }, seconds);

/** The token of a device for an application: no email, no nbf, and `aud` as a plain string. */
export const serviceToken = (
  organization: Organization,
  app: AccessApp,
  clientId: string | undefined,
  seconds: number,
): Promise<string> => {
  const named = clientId === undefined ? {} : { common_name: clientId };
  return sign(organization, "app", { aud: app.aud, ...named, sub: "" }, seconds);
};

/** The token for the team domain, which spares a person the next login. */
export const teamToken = (organization: Organization, identity: Identity): Promise<string> =>
  sign(
    organization,
    "org",
    { aud: organization.auth_domain, idp: identity.provider, ...userClaims(organization, identity) },
    secondsOf(organization.session_duration),
  );

/** What `/cdn-cgi/access/get-identity` tells a page's script about the person logged in. */
export function identityDocument(organization: Organization, claims: JWTPayload): object {
  const { email, sub, country, iat, exp, idp, common_name } = claims;
  return {
    account_id: organization.account_id,
    iat,
    exp,
    ...(typeof email === "string"
      ? { id: sub, user_uuid: sub, name: email, email, geo: { country } }
      : { common_name }),
    idp: idp === undefined ? undefined : { id: idp },
  };
}

/** Reads sessions and ends them. */
export class Sessions {
  readonly #feed: Feed;
  /** Ended here; the API double keeps them for the time after a restart. */
  readonly #ended = new Set<string>();

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  /**
   * The valid token for the application that the request shows, with its claims. As measured by third parties, a token
   * counts as a cookie and as either of two headers.
   *
   * It is valid until it expires even if no policy admits the address any more: policies apply at the login.
   */
  async atApp({ edge, request }: Visit, organization: Organization, app: AccessApp): Promise<AppSession | undefined> {
    const shown = [
      cookiesOf(request).get(AUTHORIZATION),
      ...valuesOf(request, "cf-access-token"),
      ...valuesOf(request, "cf-access-jwt-assertion"),
    ];
    for (const token of shown) {
      const claims = await verify(organization, "app", token, app.aud);
      if (token === undefined || claims === undefined) continue;
      const { identity_nonce: nonce, common_name: clientId } = claims;
      const holds =
        typeof nonce === "string"
          ? !this.#isEnded(nonce)
          : typeof clientId === "string" && usableToken(edge.state, app.account_id, clientId) !== undefined;
      if (holds) return { token, claims };
    }
    return undefined;
  }

  /** Who is logged in at the team domain, with the claims of the token there. */
  async atTeam(
    { request }: Visit,
    organization: Organization,
  ): Promise<{ identity: Identity; claims: JWTPayload } | undefined> {
    const claims = await verify(organization, "org", cookiesOf(request).get(AUTHORIZATION), organization.auth_domain);
    const identity = claims === undefined ? undefined : identityOf(claims);
    if (claims === undefined || identity === undefined || this.#isEnded(identity.nonce)) return undefined;
    return { identity, claims };
  }

  /** Ends a login everywhere. */
  async end(nonce: string): Promise<void> {
    this.#ended.add(nonce);
    await this.#feed.tell("ended-sessions", { nonce, until: Math.floor(Date.now() / 1000) + LONGEST_SECONDS });
  }

  #isEnded(nonce: string): boolean {
    const known = this.#feed.current?.state.ended_sessions ?? [];
    return this.#ended.has(nonce) || known.some((session) => session.nonce === nonce);
  }
}
