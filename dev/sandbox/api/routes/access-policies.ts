// Reusable Access policies of an account.

import { Hono } from "hono";
import { z } from "zod";
import { ApiError, ok, page } from "../answers.ts";
import { goDuration, now, readBody } from "../bodies.ts";
import { newUuid } from "../ids.ts";
import type { AccessPolicy, Rule, State } from "../state.ts";
import type { Store } from "../store.ts";
import type { Variables } from "../tokens.ts";
import { rules } from "./access-rules.ts";
import { accountFor } from "./scope.ts";

export const ACCESS_REFUSAL = { code: 12130, prefix: "access.api.error.invalid_request: " };

/** A session's length: a Go duration; 0s means that nothing is kept. */
export const sessionDuration = z
  .string()
  .refine((text) => goDuration(text) !== undefined, 'is a duration such as "24h" or "30m"');

const policySchema = z.strictObject({
  name: z.string().min(1),
  decision: z.enum(["allow", "deny", "non_identity", "bypass"]),
  include: rules.min(1, "a policy needs at least one include rule"),
  exclude: rules.nullish(),
  require: rules.nullish(),
  session_duration: sessionDuration.nullish(),
  approval_groups: z.array(z.record(z.string(), z.unknown())).nullish(),
  approval_required: z.boolean().nullish(),
  isolation_required: z.boolean().nullish(),
  purpose_justification_required: z.boolean().nullish(),
  purpose_justification_prompt: z.string().nullish(),
  mfa_config: z.record(z.string(), z.unknown()).nullish(),
});

const READ = ["Access: Apps and Policies Read"];
const WRITE = ["Access: Apps and Policies Write"];

function parse(body: z.output<typeof policySchema>, accountId: string, before?: AccessPolicy): AccessPolicy {
  const { name, decision, include, exclude, require, session_duration, ...extra } = body;
  const time = now();
  return {
    id: before?.id ?? newUuid(),
    account_id: accountId,
    name,
    decision,
    include: include as Rule[],
    exclude: (exclude ?? []) as Rule[],
    require: (require ?? []) as Rule[],
    session_duration: session_duration ?? before?.session_duration ?? "24h",
    created_at: before?.created_at ?? time,
    updated_at: time,
    extra,
  };
}

/** A policy that names a service token or a login method that does not exist is refused. */
function requireKnownReferences(state: Readonly<State>, policy: AccessPolicy): void {
  for (const rule of [...policy.include, ...policy.exclude, ...policy.require]) {
    const token = rule["service_token"]?.["token_id"];
    if (
      token !== undefined &&
      !state.service_tokens.some((t) => t.id === token && t.account_id === policy.account_id)
    ) {
      throw new ApiError(400, 12130, "access.api.error.invalid_request: unknown service token in a rule");
    }
    const login = rule["login_method"]?.["id"];
    if (login !== undefined && !state.identity_providers.some((p) => p.id === login)) {
      throw new ApiError(400, 12130, "access.api.error.invalid_request: unknown identity provider in a rule");
    }
  }
}

/** A policy as the API shows it, alone or inside an application. */
export function shownPolicy(state: Readonly<State>, policy: AccessPolicy): Record<string, unknown> {
  const { account_id: _account, extra, ...rest } = policy;
  const apps = state.access_apps.filter((app) => app.policies.some((entry) => entry.id === policy.id));
  return { ...extra, ...rest, reusable: true, app_count: apps.length };
}

export function accessPolicyRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/accounts/:account{[0-9a-f]{32}}/access/policies");

  const find = (accountId: string, id: string): AccessPolicy => {
    const policy = store.state.access_policies.find((p) => p.account_id === accountId && p.id === id);
    if (policy === undefined) throw new ApiError(404, 12133, "access.api.error.policy_not_found");
    return policy;
  };
  const put = (policy: AccessPolicy): void =>
    store.change((state) => {
      requireKnownReferences(state, policy);
      const place = state.access_policies.findIndex((p) => p.id === policy.id);
      if (place < 0) state.access_policies.push(policy);
      else state.access_policies[place] = policy;
    });

  routes.get("/", (c) => {
    const account = accountFor(store, c, ...READ);
    const policies = store.state.access_policies.filter((policy) => policy.account_id === account.id);
    return page(
      c,
      policies.map((policy) => shownPolicy(store.state, policy)),
    );
  });
  routes.post("/", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const policy = parse(await readBody(c, policySchema, ACCESS_REFUSAL), account.id);
    put(policy);
    return ok(c, shownPolicy(store.state, policy), 201);
  });
  routes.get("/:id", (c) => {
    const account = accountFor(store, c, ...READ);
    return ok(c, shownPolicy(store.state, find(account.id, c.req.param("id"))));
  });
  routes.put("/:id", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, policySchema, ACCESS_REFUSAL);
    const policy = parse(body, account.id, find(account.id, c.req.param("id")));
    put(policy);
    return ok(c, shownPolicy(store.state, policy));
  });
  routes.delete("/:id", (c) => {
    const account = accountFor(store, c, ...WRITE);
    const { id } = find(account.id, c.req.param("id"));
    store.change((state) => {
      if (state.access_apps.some((app) => app.policies.some((entry) => entry.id === id))) {
        throw new ApiError(409, 12131, "access.api.error.policy_in_use: detach the policy from its applications first");
      }
      state.access_policies = state.access_policies.filter((policy) => policy.id !== id);
    });
    return ok(c, { id }, 202);
  });

  return routes;
}
