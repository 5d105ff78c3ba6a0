// The API double as one application: who asks, what fails on purpose, then the routes.

import { Hono } from "hono";
import { ApiError, failed } from "./answers.ts";
import type { Cas } from "./cas.ts";
import { type Faults, faultGate } from "./faults.ts";
import { type ApiContext, type Journal, journalling } from "./journal.ts";
import { accessAppRoutes } from "./routes/access-apps.ts";
import { accessPolicyRoutes } from "./routes/access-policies.ts";
import { accountRoutes, publicRoutes } from "./routes/account.ts";
import { certificateRoutes } from "./routes/certificates.ts";
import { dnsRoutes } from "./routes/dns.ts";
import { identityProviderRoutes, organizationRoutes } from "./routes/identity.ts";
import { notificationRoutes } from "./routes/notifications.ts";
import { originPullRoutes } from "./routes/origin-pulls.ts";
import { rulesetRoutes } from "./routes/rulesets.ts";
import { serviceTokenRoutes } from "./routes/service-tokens.ts";
import { requireZeroTrust } from "./routes/zero-trust.ts";
import { zoneRoutes } from "./routes/zones.ts";
import type { Store } from "./store.ts";
import { authenticate, requireActive } from "./tokens.ts";

/** The parts that the API, its admin side and the status page share. */
export interface World {
  store: Store;
  cas: Cas;
  journal: Journal;
  faults: Faults;
}

const BASE_PATH = "/client/v4";

/** The routes under `/client/v4`. */
export function apiApp({ store, cas, journal, faults }: World): Hono<ApiContext> {
  const api = new Hono<ApiContext>();
  api.use(journalling(journal));
  api.use(faultGate(faults, BASE_PATH));

  api.onError((error, c) => {
    if (error instanceof ApiError) return failed(c, error);
    console.error(`!!! INTERNAL ERROR ${c.req.method} ${c.req.path}:`, error);
    return failed(c, new ApiError(500, 10001, "Internal error of the sandbox; its log says more"));
  });
  api.route("/", publicRoutes(store));
  api.use(async (c, next) => {
    const token = authenticate(store.state, c.req.raw.headers);
    c.set("token", token);
    requireActive(token);
    await next();
  });
  api.use("/accounts/:account{[0-9a-f]{32}}/access/*", requireZeroTrust(store));
  api.route("/", accountRoutes(store));
  api.route("/", zoneRoutes(store));
  api.route("/", dnsRoutes(store));
  api.route("/", originPullRoutes(store));
  api.route("/", rulesetRoutes(store));
  api.route("/", certificateRoutes(store, cas.originCa));
  api.route("/", accessPolicyRoutes(store));
  api.route("/", accessAppRoutes(store));
  api.route("/", serviceTokenRoutes(store));
  api.route("/", identityProviderRoutes(store));
  api.route("/", organizationRoutes(store));
  api.route("/", notificationRoutes(store));
  api.all("*", (c) => {
    c.set("unknown", true);
    const message = `Could not route to ${c.req.path}, perhaps your object identifier is invalid?`;
    throw new ApiError(404, 7003, message, { code: 7000, message: "No route for that URI" });
  });
  return new Hono<ApiContext>().route(BASE_PATH, api);
}
