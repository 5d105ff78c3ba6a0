// The pages of a login at the team domain.

import { html } from "hono/html";
import type { AccessApp, IdentityProvider } from "../api/state.ts";
import type { Answer } from "../edge/answers.ts";
import { page } from "./replies.ts";

/** What every page of a login shows and passes to the next. */
export interface LoginFrame {
  app: AccessApp;
  /** Host that the visitor wants to reach. */
  host: string;
  /** The signed state of the login. */
  meta: string;
  /** Set-Cookie values. */
  cookies: string[];
}

const SSO = "/cdn-cgi/access/sso/";

const alert = (text: string | undefined) => (text === undefined ? "" : html`<p class="alert" role="alert">${text}</p>`);

function frame({ app, host, cookies }: LoginFrame, status: number, body: unknown): Answer {
  const content = html`<h1>Log in to ${app.name}</h1>
    <p>${host} is guarded by Access.</p>
    ${body}
    <footer>sandbox Access: no mail leaves this machine, PINs are on the status page</footer>`;
  return page(status, `Log in to ${app.name}`, content, { "set-cookie": cookies });
}

function emailForm(provider: IdentityProvider, { meta }: LoginFrame) {
  const member = provider.type === "cloudflare";
  return html`<form method="post" action="${SSO}${provider.id}">
    <input type="hidden" name="meta" value="${meta}" />
    <label for="email-${provider.id}">${member ? "Email of your Cloudflare account" : "Email"}</label>
    <input id="email-${provider.id}" name="email" type="email" autocomplete="email" required />
    <button>${member ? "Log in with Cloudflare" : "Send me a code"}</button>
  </form>`;
}

/** The choice of identity providers: a form for PINs, links to the others. */
export function chooser(login: LoginFrame, providers: IdentityProvider[]): Answer {
  const link = (provider: IdentityProvider) =>
    html`<a class="button" href="${SSO}${provider.id}?meta=${encodeURIComponent(login.meta)}">${provider.name}</a>`;
  return frame(
    login,
    200,
    providers.map((provider) => (provider.type === "onetimepin" ? emailForm(provider, login) : link(provider))),
  );
}

/** One identity provider's form. `problem` is what was wrong with the last try. */
export const providerPage = (login: LoginFrame, provider: IdentityProvider, problem?: string): Answer =>
  frame(login, problem === undefined ? 200 : 400, [alert(problem), emailForm(provider, login)]);

/** Asks for the PIN. The page says that a code was sent, also where none was. */
export function pinPage(login: LoginFrame, email: string, attempt: string, problem?: string): Answer {
  const body = html`${alert(problem)}
    <p>A code has been emailed to <strong>${email}</strong>. It is valid for 10 minutes.</p>
    <form method="post" action="/cdn-cgi/access/verify-code">
      <input type="hidden" name="meta" value="${login.meta}" />
      <input type="hidden" name="attempt" value="${attempt}" />
      <input type="hidden" name="email" value="${email}" />
      <label for="code">Code</label>
      <input
        id="code"
        name="code"
        inputmode="numeric"
        autocomplete="one-time-code"
        pattern="[0-9]{6}"
        maxlength="6"
        required
        autofocus
      />
      <button>Sign in</button>
    </form>`;
  return frame(login, problem === undefined ? 200 : 400, body);
}

/** For someone who is logged in and whom no policy admits. */
export function noAccess(login: LoginFrame, email: string): Answer {
  const body = html`${alert("That account does not have access.")}
    <p>You are logged in as <strong>${email}</strong>.</p>
    <a class="button" href="/cdn-cgi/access/logout">Log out</a>`;
  return frame(login, 403, body);
}
