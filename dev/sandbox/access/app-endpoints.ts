// What Access answers under /cdn-cgi/access/ on an application's own host.

import { html } from "hono/html";
import type { AccessApp, Organization } from "../api/state.ts";
import type { Answer } from "../edge/answers.ts";
import { cookiesOf } from "../edge/headers.ts";
import { applicationsOf, organizationOf } from "./applications.ts";
import { APP_SESSION, appCookie, noAppCookie } from "./cookies.ts";
import type { Expiring } from "./expiring.ts";
import type { Identity } from "./jwt.ts";
import { json, originOf, page, problem, redirect, sha256 } from "./replies.ts";
import { type AppSession, identityDocument, type Sessions, userToken } from "./sessions.ts";
import { queryOf, type Visit } from "./visit.ts";

/** A login that was made at the team domain, on its way back to the application. */
export interface Handover {
  host: string;
  aud: string;
  /** Path and query of the visitor's first request. */
  returnTo: string;
  /** SHA-256 of the CF_AppSession cookie of the browser in which the login began. */
  appSessionHash: string;
  identity: Identity;
  /** How long the session lasts. */
  seconds: number;
}

export type Handovers = Expiring<Handover>;

/** The way back is one redirect. */
export const HANDOVER_MS = 60_000;

/** The page after a logout. */
export const loggedOut = (cookies: string[]): Answer =>
  page(
    200,
    "Logged out",
    html`<h1>Logged out</h1>
      <p>You have been logged out of all applications.</p>`,
    { "set-cookie": cookies },
  );

export class AppEndpoints {
  readonly #sessions: Sessions;
  readonly #handovers: Handovers;

  constructor(sessions: Sessions, handovers: Handovers) {
    this.#sessions = sessions;
    this.#handovers = handovers;
  }

  /** The answer, or undefined if the request is not for one of these endpoints or the host has no application. */
  async answer(visit: Visit): Promise<Answer | undefined> {
    if (!visit.path.startsWith("/cdn-cgi/access/")) return undefined;
    const apps = applicationsOf(visit.edge.state, visit.host);
    if (apps.length === 0) return undefined;
    switch (visit.path.slice("/cdn-cgi/access/".length)) {
      case "authorized":
        return this.#authorized(visit, apps);
      case "get-identity": {
        const current = await this.#current(visit, apps);
        if (current === undefined) return json(400, { err: "no app token set" });
        return json(200, identityDocument(current.organization, current.session.claims));
      }
      case "logout": {
        const nonce = (await this.#current(visit, apps))?.session.claims["identity_nonce"];
        if (typeof nonce === "string") await this.#sessions.end(nonce);
        return loggedOut(apps.map(noAppCookie));
      }
      default:
        return undefined;
    }
  }

  async #current(
    visit: Visit,
    apps: AccessApp[],
  ): Promise<{ session: AppSession; organization: Organization } | undefined> {
    for (const app of apps) {
      const organization = organizationOf(visit.edge.state, app.account_id);
      const session = await this.#sessions.atApp(visit, organization, app);
      if (session !== undefined) return { session, organization };
    }
    return undefined;
  }

  /** Turns a login into the application's cookie, only in the browser in which the login began. */
  async #authorized(visit: Visit, apps: AccessApp[]): Promise<Answer> {
    const nonce = queryOf(visit).get("nonce") ?? "";
    const handover = this.#handovers.take(nonce);
    const app = apps.find(({ aud }) => aud === handover?.aud);
    const browser = cookiesOf(visit.request).get(APP_SESSION);
    if (
      handover === undefined ||
      app === undefined ||
      handover.host !== visit.host ||
      browser === undefined ||
      sha256(browser) !== handover.appSessionHash
    ) {
      const text = "This login was used before, took too long, or began in another browser.";
      const start = { href: `${originOf(visit.host, visit)}/`, label: "Start again" };
      return problem(400, "Invalid login session", text, start);
    }
    const organization = organizationOf(visit.edge.state, app.account_id);
    const token = await userToken(organization, app, handover.identity, handover.seconds);
    return redirect(`${originOf(visit.host, visit)}${handover.returnTo}`, [appCookie(app, token, handover.seconds)]);
  }
}
