// The cookies of Access.

import type { AccessApp } from "../api/state.ts";
import { cookiesOf } from "../edge/headers.ts";
import { newNonce } from "./jwt.ts";
import type { Visit } from "./visit.ts";

/** Holds the token, at applications and at the team domain. */
export const AUTHORIZATION = "CF_Authorization";
/** Names the browser at an application's host, before and during a login. */
export const APP_SESSION = "CF_AppSession";
/** Names the browser at the team domain. */
const TEAM_SESSION = "CF_Session";

const DAY_SECONDS = 86_400;

/** A Set-Cookie value: Secure, and for the whole host unless the attributes hold a path. */
function cookie(name: string, value: string, ...attributes: string[]): string {
  const path = attributes.some((attribute) => attribute.startsWith("Path=")) ? [] : ["Path=/"];
  return [`${name}=${value}`, ...path, "Secure", ...attributes].join("; ");
}

const pathOf = (app: AccessApp): string[] => {
  const slash = app.domain.indexOf("/");
  return app.path_cookie_attribute && slash > 0 ? [`Path=${app.domain.slice(slash)}`] : [];
};

/** The application's token as a cookie, with the attributes that the application asks for. */
export function appCookie(app: AccessApp, token: string, seconds: number): string {
  const site = app.same_site_cookie_attribute;
  return cookie(
    AUTHORIZATION,
    token,
    `Max-Age=${seconds}`,
    ...pathOf(app),
    ...(app.http_only_cookie_attribute ? ["HttpOnly"] : []),
    ...(site === undefined ? [] : [`SameSite=${site.charAt(0).toUpperCase()}${site.slice(1)}`]),
  );
}

/** Removes the application's token from the browser. */
export const noAppCookie = (app: AccessApp): string => cookie(AUTHORIZATION, "", "Max-Age=0", ...pathOf(app));

/** The team domain's token as a cookie. */
export const teamCookie = (token: string, seconds: number): string =>
  cookie(AUTHORIZATION, token, `Max-Age=${seconds}`, "HttpOnly", "SameSite=None");

export const noTeamCookie = (): string => cookie(AUTHORIZATION, "", "Max-Age=0");

/** A browser's session: as its cookie names it, or new. */
export interface BrowserSession {
  id: string;
  /** Whether the browser showed it. */
  shown: boolean;
  /** The Set-Cookie value that keeps it. */
  cookie: string;
}

function session({ request }: Visit, name: string, site: "None" | "Lax"): BrowserSession {
  const value = cookiesOf(request).get(name) ?? "";
  const shown = /^[\w-]{16,64}$/.test(value);
  const id = shown ? value : newNonce();
  return { id, shown, cookie: cookie(name, id, `Max-Age=${DAY_SECONDS}`, "HttpOnly", `SameSite=${site}`) };
}

export const appSession = (visit: Visit): BrowserSession => session(visit, APP_SESSION, "None");

/** Lax: a form that another site sends here does not carry it, so nobody is logged in from elsewhere. */
export const teamSession = (visit: Visit): BrowserSession => session(visit, TEAM_SESSION, "Lax");
