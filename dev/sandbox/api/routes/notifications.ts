// Notification policies: what Cloudflare tells the owner of an account about, and to whom.

import { Hono } from "hono";
import { z } from "zod";
import { ApiError, ok, page } from "../answers.ts";
import { now, readBody, type Refusal } from "../bodies.ts";
import { newId } from "../ids.ts";
import type { NotificationPolicy } from "../state.ts";
import type { Store } from "../store.ts";
import type { Variables } from "../tokens.ts";
import { accountFor } from "./scope.ts";

const READ = ["Notifications Read"];
const WRITE = ["Notifications Write"];

const REFUSAL: Refusal = { code: 17000, prefix: "invalid notification policy: " };

/** The types that an account can have here, by the product under which Cloudflare lists them. */
const ALERTS = {
  "Cloudflare Access": { expiring_service_token_alert: "Expiring Access Service Token Alert" },
  "SSL/TLS": {
    hostname_aop_custom_certificate_expiration_type:
      "Hostname-level Authenticated Origin Pulls Certificate Expiration Alert",
    zone_aop_custom_certificate_expiration_type: "Zone-level Authenticated Origin Pulls Certificate Expiration Alert",
    universal_ssl_event_type: "Universal SSL Alert",
  },
  "Traffic Monitoring": { real_origin_monitoring: "Passive Origin Monitoring" },
};

const destinations = z.array(z.strictObject({ id: z.string().min(1) })).nullish();

const fields = {
  name: z.string().min(1),
  alert_type: z.string(),
  enabled: z.boolean(),
  description: z.string().nullish(),
  mechanisms: z.strictObject({
    email: z.array(z.strictObject({ id: z.email() })).nullish(),
    pagerduty: destinations,
    webhooks: destinations,
  }),
  filters: z.record(z.string(), z.array(z.string())).nullish(),
};
const creation = z.strictObject(fields);
const change = z.strictObject(fields).partial();

/** The types that the account is entitled to, by product. */
function available({ state }: Store): Record<string, object[]> {
  const unavailable = state.options.unavailable_alerts;
  return Object.fromEntries(
    Object.entries(ALERTS).map(([product, types]) => [
      product,
      Object.entries(types)
        .filter(([type]) => !unavailable.includes(type))
        .map(([type, name]) => ({ type, display_name: name, description: name, filter_options: [] })),
    ]),
  );
}

/** Refuses what no account, or not this one, may have. */
function requirePossible(store: Store, body: z.output<typeof change>): void {
  const listed = Object.entries(ALERTS).flatMap(([, types]) => Object.keys(types));
  const type = body.alert_type;
  if (type !== undefined && (!listed.includes(type) || store.state.options.unavailable_alerts.includes(type))) {
    throw new ApiError(400, 17200, "account is not entitled to this alert type");
  }
  const { mechanisms, filters } = body;
  if (mechanisms && Object.values(mechanisms).every((one) => (one ?? []).length === 0)) {
    throw new ApiError(400, 17102, "a notification policy needs at least one mechanism");
  }
  // Cloudflare documents no filters for these types.
  if (filters && Object.keys(filters).length > 0) {
    throw new ApiError(400, 17103, `invalid filters: ${Object.keys(filters).join(", ")}`);
  }
}

function shown({ account_id: _account, ...policy }: NotificationPolicy): object {
  return policy;
}

/** What was given of the mechanisms. */
const given = (mechanisms: z.output<typeof creation>["mechanisms"]): NotificationPolicy["mechanisms"] =>
  Object.fromEntries(Object.entries(mechanisms).filter(([, list]) => list != null));

export function notificationRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/accounts/:account{[0-9a-f]{32}}/alerting/v3");

  const policies = (accountId: string) =>
    (store.state.notification_policies ?? []).filter(({ account_id }) => account_id === accountId);
  const find = (accountId: string, id: string): NotificationPolicy => {
    const policy = policies(accountId).find((one) => one.id === id);
    if (policy === undefined) throw new ApiError(404, 17104, "notification policy not found");
    return policy;
  };

  routes.get("/available_alerts", (c) => {
    accountFor(store, c, ...READ);
    return ok(c, available(store));
  });

  routes.get("/policies", (c) => page(c, policies(accountFor(store, c, ...READ).id).map(shown)));

  // The answer to a write has the id and nothing else.
  routes.post("/policies", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, creation, REFUSAL);
    requirePossible(store, body);
    const { name, alert_type, enabled, description, mechanisms } = body;
    const time = now();
    const policy: NotificationPolicy = {
      id: newId(),
      account_id: account.id,
      name,
      alert_type,
      enabled,
      description: description ?? "",
      mechanisms: given(mechanisms),
      created: time,
      modified: time,
    };
    store.change((state) => {
      state.notification_policies = [...(state.notification_policies ?? []), policy];
    });
    return ok(c, { id: policy.id });
  });

  routes.get("/policies/:id", (c) => {
    const account = accountFor(store, c, ...READ);
    return ok(c, shown(find(account.id, c.req.param("id"))));
  });

  routes.put("/policies/:id", async (c) => {
    const account = accountFor(store, c, ...WRITE);
    const body = await readBody(c, change, REFUSAL);
    requirePossible(store, body);
    const before = find(account.id, c.req.param("id"));
    const after: NotificationPolicy = {
      ...before,
      name: body.name ?? before.name,
      alert_type: body.alert_type ?? before.alert_type,
      enabled: body.enabled ?? before.enabled,
      description: body.description === undefined ? before.description : (body.description ?? ""),
      mechanisms: body.mechanisms ? given(body.mechanisms) : before.mechanisms,
      modified: now(),
    };
    store.change((state) => {
      state.notification_policies =
        state.notification_policies?.map((one) => (one.id === after.id ? after : one)) ?? [];
    });
    return ok(c, { id: after.id });
  });

  routes.delete("/policies/:id", (c) => {
    const account = accountFor(store, c, ...WRITE);
    const { id } = find(account.id, c.req.param("id"));
    store.change((state) => {
      state.notification_policies = state.notification_policies?.filter((one) => one.id !== id) ?? [];
    });
    return ok(c, null);
  });

  return routes;
}
