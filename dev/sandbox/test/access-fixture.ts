// An application with policies and tokens in the sandbox's state, and a browser with a cookie jar.

import type { AccessApp, AccessPolicy, Decision, Rule, ServiceToken, State } from "../api/state.ts";
import { hash } from "../api/tokens.ts";
import { DEV } from "../api/world.ts";
import { type Fixture, type Got, openRequest, SITE } from "./edge-fixture.ts";

export const PORT = ":19001";
export const TEAM = DEV.teamDomain;
export const AUD = "a".repeat(64);
export const FRIEND = "friend@example.com";
const LONG_AGO = "2026-01-01T00:00:00Z";

export const accessApp = (change: Partial<AccessApp> = {}): AccessApp => ({
  id: "app-1",
  account_id: DEV.account,
  aud: AUD,
  name: "Photos",
  type: "self_hosted",
  domain: SITE,
  destinations: [{ type: "public", uri: change.domain ?? SITE }],
  policies: [],
  session_duration: "24h",
  allowed_idps: [],
  auto_redirect_to_identity: false,
  http_only_cookie_attribute: true,
  same_site_cookie_attribute: "lax",
  path_cookie_attribute: false,
  enable_binding_cookie: false,
  options_preflight_bypass: false,
  service_auth_401_redirect: false,
  created_at: LONG_AGO,
  updated_at: LONG_AGO,
  extra: {},
  ...change,
});

export const accessPolicy = (
  decision: Decision,
  include: Rule[],
  change: Partial<AccessPolicy> = {},
): AccessPolicy => ({
  id: decision,
  account_id: DEV.account,
  name: decision,
  decision,
  include,
  exclude: [],
  require: [],
  session_duration: "24h",
  created_at: LONG_AGO,
  updated_at: LONG_AGO,
  extra: {},
  ...change,
});

/** A service token whose secret is `${id}-secret`. */
export const serviceToken = (id: string, change: Partial<ServiceToken> = {}): ServiceToken => ({
  id,
  account_id: DEV.account,
  name: id,
  duration: "8760h",
  enabled: true,
  client_id: `${id}.access`,
  secret_hash: hash(`${id}-secret`),
  client_secret_version: 1,
  previous_secret_hash: null,
  previous_client_secret_expires_at: null,
  expires_at: null,
  created_at: LONG_AGO,
  updated_at: LONG_AGO,
  ...change,
});

export const credentials = (id: string, secret = `${id}-secret`): Record<string, string> => ({
  "cf-access-client-id": `${id}.access`,
  "cf-access-client-secret": secret,
});

/** Puts the policies in order before the site, as one application. */
export function guard(state: State, policies: AccessPolicy[], change: Partial<AccessApp> = {}): void {
  state.access_policies = policies;
  const attached = policies.map(({ id }, index) => ({ id, precedence: index + 1 }));
  state.access_apps = [accessApp({ policies: attached, ...change })];
}

/** Adds the PIN login, as the program does; returns its id. */
export function addPinLogin(state: State): string {
  const id = "11111111-1111-4111-8111-111111111111";
  state.identity_providers.push({ id, account_id: DEV.account, name: "PIN", type: "onetimepin", config: {} });
  return id;
}

/** The hidden fields of the first form of a page, and where it goes. */
export function formOf(body: string): { action: string; fields: Record<string, string> } {
  const form = /<form[^>]*action="([^"]+)"[\s\S]*?<\/form>/.exec(body);
  if (form?.[1] === undefined) throw new Error(`no form in: ${body}`);
  const hidden = form[0].matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g);
  return {
    action: form[1],
    fields: Object.fromEntries([...hidden].map(([, name = "", value = ""]) => [name, value])),
  };
}

/** A browser on port 19001: keeps cookies by host, follows nothing by itself. */
export class Browser {
  readonly cookies = new Map<string, Map<string, string>>();
  readonly #fixture: Fixture;

  constructor(fixture: Fixture) {
    this.#fixture = fixture;
  }

  async go(url: string, form?: Record<string, string>): Promise<Got> {
    const { hostname, pathname, search } = new URL(url);
    const jar = this.cookies.get(hostname) ?? new Map<string, string>();
    this.cookies.set(hostname, jar);
    const got = await this.#fixture.visit(`${pathname}${search}`, {
      host: `${hostname}${PORT}`,
      method: form === undefined ? "GET" : "POST",
      headers: {
        accept: "text/html",
        ...(jar.size > 0 && { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") }),
        ...(form && { "content-type": "application/x-www-form-urlencoded" }),
      },
      body: form && new URLSearchParams(form).toString(),
    });
    for (const set of got.headers["set-cookie"] ?? []) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      if (value === "") jar.delete(name);
      else jar.set(name, value);
    }
    return got;
  }

  /** Sends the form of a page of the team domain. */
  submit(page: Got, fields: Record<string, string>): Promise<Got> {
    const form = formOf(page.body);
    return this.go(`https://${TEAM}${PORT}${form.action}`, { ...form.fields, ...fields });
  }

  /** From the first request to the page with the choice of logins. */
  async toLogin(path = "/"): Promise<Got> {
    const first = await this.go(`https://${SITE}${PORT}${path}`);
    return this.go(first.headers.location ?? "");
  }

  /** A whole login by PIN, up to the application's answer. */
  async logIn(email = FRIEND, path = "/"): Promise<Got> {
    const asked = await this.submit(await this.toLogin(path), { email });
    const [mail] = await this.#fixture.admin.mailbox(email);
    const done = await this.submit(asked, { code: mail?.pin ?? "" });
    const back = await this.go(done.headers.location ?? "");
    return this.go(back.headers.location ?? "");
  }
}

/** Asks for a websocket and returns the status, 101 if it was granted. */
export function upgradeStatus(fixture: Fixture, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = openRequest(fixture, {
      path: "/api/socket.io/",
      headers: { connection: "Upgrade", upgrade: "websocket", ...headers },
      signal: AbortSignal.timeout(10_000),
    });
    request.on("error", reject);
    request.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve(response.statusCode ?? 0);
    });
    request.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.end();
  });
}
