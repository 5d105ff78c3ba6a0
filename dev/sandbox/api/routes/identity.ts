// Identity providers and the Zero Trust organisation of an account.

import { type Context, Hono } from "hono";
import { z } from "zod";
import { ApiError, ok, page } from "../answers.ts";
import { now, readBody } from "../bodies.ts";
import { newUuid } from "../ids.ts";
import type { IdentityProvider, Organization } from "../state.ts";
import type { Store } from "../store.ts";
import type { Variables } from "../tokens.ts";
import { ACCESS_REFUSAL, sessionDuration } from "./access-policies.ts";
import { accountFor, isHostname } from "./scope.ts";
import { organizationOf } from "./zero-trust.ts";

const READ = ["Access: Organizations, Identity Providers, and Groups Read"];
const WRITE = ["Access: Organizations, Identity Providers, and Groups Write"];

/** Organisations created from this day on authenticate service tokens strictly and cannot switch that off. */
const STRICT_SINCE = "2026-10-05";

// The sandbox has two kinds of login; the others need an external provider.
const providerSchema = z.strictObject({
  name: z.string().min(1),
  type: z.enum(["onetimepin", "cloudflare"]),
  config: z.record(z.string(), z.unknown()),
});

const organizationSchema = z.strictObject({
  name: z.string().min(1).nullish(),
  auth_domain: z
    .string()
    .refine((host) => isHostname(host), "is a host name")
    .nullish(),
  session_duration: sessionDuration.nullish(),
  strict_service_token_auth: z.boolean().nullish(),
  deny_unmatched_requests: z.boolean().nullish(),
  auto_redirect_to_identity: z.boolean().nullish(),
  allow_authenticate_via_warp: z.boolean().nullish(),
  is_ui_read_only: z.boolean().nullish(),
  login_design: z.record(z.string(), z.unknown()).nullish(),
  user_seat_expiration_inactive_time: z.string().nullish(),
});

const shownProvider = ({ account_id: _account, ...provider }: IdentityProvider): object => ({
  ...provider,
  scim_config: { enabled: false },
});

function shownOrganization({ account_id: _account, signing_keys: _keys, ...organization }: Organization): object {
  return organization;
}

export function identityProviderRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/accounts/:account{[0-9a-f]{32}}/access/identity_providers");

  const find = (accountId: string, id: string): IdentityProvider => {
    const provider = store.state.identity_providers.find((p) => p.account_id === accountId && p.id === id);
    if (provider === undefined) throw new ApiError(404, 12136, "access.api.error.identity_provider_not_found");
    return provider;
  };
  const put = (provider: IdentityProvider): void =>
    store.change((state) => {
      const others = state.identity_providers.filter((other) => other.id !== provider.id);
      if (others.some((other) => other.account_id === provider.account_id && other.type === provider.type)) {
        const message = `access.api.error.conflict: this account already has an identity provider of type ${provider.type}`;
        throw new ApiError(409, 12132, message);
      }
      state.identity_providers = [...others, provider];
    });

  routes.get("/", (c) => {
    const account = accountFor(store, c, ...READ);
    const providers = store.state.identity_providers.filter((provider) => provider.account_id === account.id);
    return page(c, providers.map(shownProvider));
  });
  routes.post("/", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, providerSchema, ACCESS_REFUSAL);
    const provider = { id: newUuid(), account_id: account.id, ...body };
    put(provider);
    return ok(c, shownProvider(provider), 201);
  });
  routes.get("/:id", (c) => {
    const account = accountFor(store, c, ...READ);
    return ok(c, shownProvider(find(account.id, c.req.param("id"))));
  });
  routes.put("/:id", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, providerSchema, ACCESS_REFUSAL);
    const before = find(account.id, c.req.param("id"));
    const provider = { ...before, ...body };
    put(provider);
    return ok(c, shownProvider(provider));
  });
  routes.delete("/:id", (c) => {
    const account = accountFor(store, c, ...WRITE);
    const { id } = find(account.id, c.req.param("id"));
    store.change((state) => {
      state.identity_providers = state.identity_providers.filter((provider) => provider.id !== id);
    });
    return ok(c, { id }, 202);
  });

  return routes;
}

export function organizationRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/accounts/:account{[0-9a-f]{32}}/access/organizations");

  const write = async (c: Context<Variables>): Promise<Response> => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, organizationSchema, ACCESS_REFUSAL);
    const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value != null));
    const organization = store.change((state) => {
      const found = organizationOf(state, account.id);
      if (body.strict_service_token_auth === false && found.created_at >= STRICT_SINCE) {
        const message = `strict_service_token_auth cannot be turned off in organizations created since ${STRICT_SINCE}`;
        throw new ApiError(400, 12130, `access.api.error.invalid_request: ${message}`);
      }
      return Object.assign(found, given, { updated_at: now() });
    });
    return ok(c, shownOrganization(organization));
  };

  routes.get("/", (c) => {
    const account = accountFor(store, c, ...READ);
    return ok(c, shownOrganization(organizationOf(store.state, account.id)));
  });
  routes.put("/", write);
  routes.patch("/", write);
  // Exists already: the sandbox's account comes with its organisation, as one does after the dashboard's first page.
  routes.post("/", (c) => {
    accountFor(store, c, ...WRITE);
    throw new ApiError(409, 12132, "access.api.error.conflict: the organization already exists");
  });

  return routes;
}
