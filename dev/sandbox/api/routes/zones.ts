// Zones, their settings, and the other read-only corners that configure and doctor look into.

import { domainToUnicode } from "node:url";
import { Hono } from "hono";
import { z } from "zod";
import { ApiError, forbidden, ok, page } from "../answers.ts";
import { check, jsonBody, now } from "../bodies.ts";
import type { State, Zone, ZoneSetting } from "../state.ts";
import type { Store } from "../store.ts";
import { allows, type Variables } from "../tokens.ts";
import { zoneFor } from "./scope.ts";

const onOff = z.enum(["on", "off"]);

/** Every setting that a zone can have: what it may hold and what a new zone starts with. */
const SETTINGS: Record<string, [schema: z.ZodType, initial: unknown]> = {
  ssl: [z.enum(["off", "flexible", "full", "strict"]), "full"],
  ssl_automatic_mode: [z.enum(["auto", "custom"]), "auto"],
  tls_client_auth: [onOff, "off"],
  always_use_https: [onOff, "off"],
  min_tls_version: [z.enum(["1.0", "1.1", "1.2", "1.3"]), "1.0"],
  tls_1_3: [z.enum(["on", "off", "zrt"]), "on"],
  websockets: [onOff, "on"],
  automatic_https_rewrites: [onOff, "on"],
  opportunistic_encryption: [onOff, "on"],
  browser_check: [onOff, "on"],
  rocket_loader: [onOff, "off"],
  email_obfuscation: [onOff, "on"],
  security_level: [z.enum(["essentially_off", "low", "medium", "high", "under_attack"]), "medium"],
  cache_level: [z.enum(["bypass", "basic", "simplified", "aggressive"]), "aggressive"],
  development_mode: [onOff, "off"],
  brotli: [onOff, "on"],
  http2: [onOff, "on"],
  http3: [onOff, "on"],
  origin_max_http_version: [z.enum(["1", "2"]), "2"],
  ipv6: [onOff, "on"],
  ip_geolocation: [onOff, "on"],
  // The Free plan's upload limit in megabytes; the API cannot raise it.
  max_upload: [z.literal(100), 100],
  security_header: [
    z.strictObject({
      strict_transport_security: z.strictObject({
        enabled: z.boolean(),
        max_age: z.int().min(0),
        include_subdomains: z.boolean(),
        preload: z.boolean(),
        nosniff: z.boolean(),
      }),
    }),
    {
      strict_transport_security: {
        enabled: false,
        max_age: 0,
        include_subdomains: false,
        preload: false,
        nosniff: false,
      },
    },
  ],
};

/** The settings of a new zone on the Free plan. */
export function initialSettings(): Record<string, ZoneSetting> {
  return Object.fromEntries(
    Object.entries(SETTINGS).map(([id, [, value]]) => [id, { value: structuredClone(value), modified_on: null }]),
  );
}

/** A zone's name as the API lists it, and as it has to be asked for. */
const listedName = (zone: Zone): string => domainToUnicode(zone.name);

function shown(state: Readonly<State>, zone: Zone): object {
  const account = state.accounts.find((candidate) => candidate.id === zone.account_id);
  const { status = "active", paused = false, type = "full", plan = "Free" } = zone;
  return {
    id: zone.id,
    name: listedName(zone),
    status,
    paused,
    type,
    development_mode: 0,
    name_servers: ["ada.ns.cloudflare.localhost", "bob.ns.cloudflare.localhost"],
    created_on: zone.created_on,
    modified_on: zone.created_on,
    activated_on: status === "active" || status === "moved" ? zone.created_on : null,
    account: { id: zone.account_id, name: account?.name ?? "" },
    owner: { type: "user" },
    meta: { page_rule_quota: 3, phishing_detected: false },
    original_name_servers: null,
    original_registrar: null,
    original_dnshost: null,
    permissions: ["#zone:read"],
    plan: {
      id: "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
      name: `${plan} Website`,
      price: 0,
      currency: "USD",
      is_subscribed: plan !== "Free",
    },
  };
}

function shownSetting(id: string, setting: ZoneSetting): object {
  return { id, value: setting.value, editable: id !== "max_upload", modified_on: setting.modified_on };
}

export function zoneRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>();

  routes.get("/zones", (c) => {
    const { name, status, type } = c.req.query();
    const account = c.req.query("account.id");
    const zones = store.state.zones.filter(
      (zone) =>
        allows(c.get("token"), { zone: zone.id }, "Zone Read") &&
        (name === undefined || listedName(zone) === name.toLowerCase()) &&
        (status === undefined || status === (zone.status ?? "active")) &&
        (type === undefined || type === (zone.type ?? "full")) &&
        (account === undefined || zone.account_id === account),
    );
    return page(
      c,
      zones.map((zone) => shown(store.state, zone)),
    );
  });

  routes.get("/zones/:zone{[0-9a-f]{32}}", (c) => ok(c, shown(store.state, zoneFor(store, c, "Zone Read"))));

  routes.get("/zones/:zone{[0-9a-f]{32}}/workers/routes", (c) =>
    ok(c, zoneFor(store, c, "Workers Routes Read").workers_routes ?? []),
  );

  routes.get("/zones/:zone{[0-9a-f]{32}}/settings", (c) => {
    const zone = zoneFor(store, c, "Zone Settings Read");
    return ok(
      c,
      Object.entries(zone.settings).map(([id, setting]) => shownSetting(id, setting)),
    );
  });

  routes.get("/zones/:zone{[0-9a-f]{32}}/settings/:setting", (c) => {
    const zone = zoneFor(store, c, "Zone Settings Read");
    const id = c.req.param("setting");
    const setting = zone.settings[id];
    if (setting === undefined) throw new ApiError(400, 1003, `Undefined zone setting: ${id}`);
    return ok(c, shownSetting(id, setting));
  });

  routes.patch("/zones/:zone{[0-9a-f]{32}}/settings/:setting", async (c) => {
    const id = c.req.param("setting");
    const { id: zoneId, settings } = zoneFor(store, c, "Zone Settings Write");
    const body = await jsonBody(c);
    const known = settings[id] && SETTINGS[id];
    if (known === undefined) throw new ApiError(400, 1003, `Undefined zone setting: ${id}`);
    const refusal = { code: 1007, prefix: `Invalid value for zone setting ${id}: ` };
    const { value } = check(z.strictObject({ value: known[0] }), body, refusal);
    const setting = { value, modified_on: now() };
    store.change((state) => {
      const zone = state.zones.find((candidate) => candidate.id === zoneId);
      if (zone === undefined) throw forbidden();
      zone.settings[id] = setting;
    });
    return ok(c, shownSetting(id, setting));
  });

  return routes;
}
