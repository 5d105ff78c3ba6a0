// Access applications: which host names ask for a login, and by which policies.

import { Hono } from "hono";
import { z } from "zod";
import { ApiError, ok, page } from "../answers.ts";
import { now, readBody } from "../bodies.ts";
import { newAudience, newUuid } from "../ids.ts";
import type { AccessApp, State } from "../state.ts";
import type { Store } from "../store.ts";
import type { Variables } from "../tokens.ts";
import { ACCESS_REFUSAL, sessionDuration, shownPolicy } from "./access-policies.ts";
import { accountFor, isHostname, zoneOfHost } from "./scope.ts";

const flag = z.boolean().nullish();

const appSchema = z.strictObject({
  name: z.string().min(1),
  type: z.literal("self_hosted"),
  domain: z.string().min(1).nullish(),
  destinations: z.array(z.strictObject({ type: z.literal("public"), uri: z.string().min(1) })).nullish(),
  self_hosted_domains: z.array(z.string()).nullish(),
  policies: z
    .array(
      z.union([
        z.string().transform((id) => ({ id, precedence: undefined })),
        z.strictObject({ id: z.string(), precedence: z.int().min(1).nullish() }),
      ]),
    )
    .nullish(),
  session_duration: sessionDuration.nullish(),
  allowed_idps: z.array(z.string()).nullish(),
  auto_redirect_to_identity: flag,
  app_launcher_visible: flag,
  http_only_cookie_attribute: flag,
  same_site_cookie_attribute: z.enum(["none", "lax", "strict"]).nullish(),
  path_cookie_attribute: flag,
  enable_binding_cookie: flag,
  options_preflight_bypass: flag,
  service_auth_401_redirect: flag,
  skip_interstitial: flag,
  allow_authenticate_via_warp: flag,
  allow_iframe: flag,
  read_service_tokens_from_header: z.string().min(1).nullish(),
  cors_headers: z.record(z.string(), z.unknown()).nullish(),
  custom_deny_message: z.string().nullish(),
  custom_deny_url: z.string().nullish(),
  custom_non_identity_deny_url: z.string().nullish(),
  custom_pages: z.array(z.string()).nullish(),
  logo_url: z.string().nullish(),
  tags: z.array(z.string()).nullish(),
});

const READ = ["Access: Apps and Policies Read"];
const WRITE = ["Access: Apps and Policies Write"];

const refuse = (message: string): never => {
  throw new ApiError(400, 12130, `access.api.error.invalid_request: ${message}`);
};

/** The app's addresses. `domain` is the first of them; an older client may say `self_hosted_domains` instead. */
function addresses(body: z.output<typeof appSchema>): string[] {
  const given = body.destinations?.map((destination) => destination.uri) ?? body.self_hosted_domains ?? [];
  const all = body.domain != null && !given.includes(body.domain) ? [body.domain, ...given] : given;
  if (all.length === 0) refuse("domain or destinations must be given");
  if (all.length > 5) refuse("an application has at most 5 destinations");
  return all.map((address) => address.toLowerCase().replace(/\/$/, ""));
}

function parse(body: z.output<typeof appSchema>, accountId: string, before?: AccessApp): AccessApp {
  const uris = addresses(body);
  const policies = (body.policies ?? before?.policies ?? []).map((entry, index) => ({
    id: entry.id,
    precedence: entry.precedence ?? index + 1,
  }));
  if (new Set(policies.map((entry) => entry.precedence)).size !== policies.length) {
    refuse("policies: precedence must be unique within an application");
  }
  if (new Set(policies.map((entry) => entry.id)).size !== policies.length) {
    refuse("policies: a policy can be attached only once");
  }
  if (body.auto_redirect_to_identity === true && body.allowed_idps?.length !== 1) {
    refuse("auto_redirect_to_identity needs exactly one identity provider in allowed_idps");
  }
  if (body.options_preflight_bypass === true && body.cors_headers != null) {
    refuse("options_preflight_bypass and cors_headers exclude each other");
  }
  const time = now();
  const { tags, app_launcher_visible, skip_interstitial, cors_headers, logo_url, custom_deny_message } = body;
  const { custom_deny_url, custom_non_identity_deny_url, custom_pages, allow_iframe, allow_authenticate_via_warp } =
    body;
  return {
    id: before?.id ?? newUuid(),
    account_id: accountId,
    aud: before?.aud ?? newAudience(),
    name: body.name,
    type: body.type,
    domain: body.domain?.toLowerCase().replace(/\/$/, "") ?? uris[0] ?? "",
    destinations: uris.map((uri) => ({ type: "public", uri })),
    policies: policies.sort((a, b) => a.precedence - b.precedence),
    session_duration: body.session_duration ?? "24h",
    allowed_idps: body.allowed_idps ?? [],
    auto_redirect_to_identity: body.auto_redirect_to_identity ?? false,
    http_only_cookie_attribute: body.http_only_cookie_attribute ?? true,
    same_site_cookie_attribute: body.same_site_cookie_attribute ?? undefined,
    path_cookie_attribute: body.path_cookie_attribute ?? false,
    enable_binding_cookie: body.enable_binding_cookie ?? false,
    options_preflight_bypass: body.options_preflight_bypass ?? false,
    service_auth_401_redirect: body.service_auth_401_redirect ?? false,
    read_service_tokens_from_header: body.read_service_tokens_from_header ?? undefined,
    created_at: before?.created_at ?? time,
    updated_at: time,
    extra: {
      app_launcher_visible: app_launcher_visible ?? true,
      tags: tags ?? [],
      ...withoutNulls({ skip_interstitial, cors_headers, logo_url, custom_deny_message, custom_deny_url }),
      ...withoutNulls({ custom_non_identity_deny_url, custom_pages, allow_iframe, allow_authenticate_via_warp }),
    },
  };
}

const withoutNulls = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));

/** Throws unless everything the application names exists, and its addresses are free and under the account's zones. */
function requireConsistent(state: Readonly<State>, app: AccessApp): void {
  for (const { uri } of app.destinations) {
    const host = uri.split("/")[0] ?? "";
    if (!isHostname(host)) refuse(`destinations: ${host} is not a host name`);
    if (zoneOfHost(state, host.replace(/^\*\./, ""))?.account_id !== app.account_id) {
      refuse(`domain ${host} does not belong to a zone of this account`);
    }
    const taken = state.access_apps.some(
      (other) => other.id !== app.id && other.destinations.some((d) => d.uri === uri),
    );
    if (taken) throw new ApiError(409, 11010, "access.api.error.application_already_exists");
  }
  const visible = Date.now() - state.options.access_policy_ms;
  const policies = app.policies.map(({ id }) =>
    state.access_policies.find((policy) => policy.id === id && policy.account_id === app.account_id),
  );
  for (const policy of policies) {
    if (!policy || Date.parse(policy.created_at) > visible) {
      throw new ApiError(400, 12133, "access.api.error.policy_not_found");
    }
  }
  if (app.service_auth_401_redirect && !policies.some((policy) => policy?.decision === "non_identity")) {
    refuse("service_auth_401_redirect needs a Service Auth policy");
  }
  for (const id of app.allowed_idps) {
    if (!state.identity_providers.some((provider) => provider.id === id && provider.account_id === app.account_id)) {
      refuse("allowed_idps: unknown identity provider");
    }
  }
}

function shown(state: Readonly<State>, app: AccessApp): object {
  const { account_id: _account, extra, policies, ...rest } = app;
  return {
    ...extra,
    ...rest,
    self_hosted_domains: app.destinations.map((destination) => destination.uri),
    policies: policies.flatMap(({ id, precedence }) => {
      const policy = state.access_policies.find((candidate) => candidate.id === id);
      return policy === undefined ? [] : [{ ...shownPolicy(state, policy), precedence }];
    }),
  };
}

export function accessAppRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/accounts/:account{[0-9a-f]{32}}/access/apps");

  const find = (accountId: string, id: string): AccessApp => {
    const app = store.state.access_apps.find((candidate) => candidate.account_id === accountId && candidate.id === id);
    if (app === undefined) throw new ApiError(404, 11021, "access.api.error.unknown_application");
    return app;
  };
  const put = (app: AccessApp): void =>
    store.change((state) => {
      requireConsistent(state, app);
      const place = state.access_apps.findIndex((candidate) => candidate.id === app.id);
      if (place < 0) state.access_apps.push(app);
      else state.access_apps[place] = app;
    });

  routes.get("/", (c) => {
    const account = accountFor(store, c, ...READ);
    const { name, domain } = c.req.query();
    const apps = store.state.access_apps.filter(
      (app) =>
        app.account_id === account.id &&
        (name === undefined || app.name === name) &&
        (domain === undefined || app.domain === domain),
    );
    return page(
      c,
      apps.map((app) => shown(store.state, app)),
    );
  });
  routes.post("/", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const app = parse(await readBody(c, appSchema, ACCESS_REFUSAL), account.id);
    put(app);
    return ok(c, shown(store.state, app), 201);
  });
  routes.get("/:id", (c) => {
    const account = accountFor(store, c, ...READ);
    return ok(c, shown(store.state, find(account.id, c.req.param("id"))));
  });
  routes.put("/:id", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, appSchema, ACCESS_REFUSAL);
    const app = parse(body, account.id, find(account.id, c.req.param("id")));
    put(app);
    return ok(c, shown(store.state, app));
  });
  routes.delete("/:id", (c) => {
    const account = accountFor(store, c, ...WRITE);
    const { id } = find(account.id, c.req.param("id"));
    store.change((state) => {
      state.access_apps = state.access_apps.filter((app) => app.id !== id);
    });
    return ok(c, { id }, 202);
  });

  return routes;
}
