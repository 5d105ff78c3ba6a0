// Authenticated origin pulls: the zone's own switch and certificates, and those for single host names.

import { type Context, Hono } from "hono";
import { z } from "zod";
import { ApiError, ok, page } from "../answers.ts";
import { now, readBody } from "../bodies.ts";
import {
  addCertificate,
  changeOf,
  deleteCertificate,
  details,
  findCertificate,
  inMilliseconds,
  isPast,
  type Kind,
  listedCertificates,
  shownCertificate,
  statusOf,
} from "../pull-certificates.ts";
import type { PullHostname, State, Zone } from "../state.ts";
import type { Store } from "../store.ts";
import type { Variables } from "../tokens.ts";
import { zoneFor, zoneOfHost } from "./scope.ts";

const uploadSchema = z.strictObject({ certificate: z.string(), private_key: z.string() });
const switchSchema = z.strictObject({ enabled: z.boolean() });
const hostnamesSchema = z.strictObject({
  config: z
    .array(
      z.strictObject({
        hostname: z.string().min(1),
        cert_id: z.string().nullish(),
        enabled: z.boolean().nullable(),
      }),
    )
    .min(1),
});

const SSL_READ = "SSL and Certificates Read";
const SSL_WRITE = "SSL and Certificates Write";
const REFUSAL = { code: 1400, prefix: "Invalid request: " };

/** An association as the API shows it; with `enabled: null` a voided one. */
function shownHostname(zone: Zone, entry: PullHostname, enabled: boolean | null = entry.enabled): object {
  const certificate = listedCertificates(zone, "hostname_certificates").find(({ id }) => id === entry.cert_id);
  const { uploaded_on = "", ...rest } = certificate ? details(certificate) : {};
  const settled = certificate ? statusOf(certificate) : "deleted";
  const onItsWay = enabled === null ? "pending_deletion" : "pending_deployment";
  return {
    ...rest,
    hostname: entry.hostname,
    cert_id: entry.cert_id,
    enabled,
    status: changeOf(zone, entry.hostname) ? onItsWay : settled,
    cert_status: settled,
    cert_uploaded_on: uploaded_on,
    cert_updated_at: uploaded_on,
    created_at: entry.created_at,
    updated_at: entry.updated_at,
  };
}

export function originPullRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/zones/:zone{[0-9a-f]{32}}/origin_tls_client_auth");

  const edit = <T>(zoneId: string, change: (zone: Zone, state: State) => T): T =>
    store.change((state) => {
      const zone = state.zones.find((candidate) => candidate.id === zoneId);
      if (zone === undefined) throw new ApiError(404, 1001, "Invalid zone identifier");
      return change(zone, state);
    });

  const list = (kind: Kind) => (c: Context<Variables>) => {
    const zone = zoneFor(store, c, SSL_READ);
    return page(
      c,
      listedCertificates(zone, kind).map((certificate) => shownCertificate(zone, kind, certificate)),
    );
  };
  const upload = (kind: Kind) => async (c: Context<Variables>) => {
    const zone = zoneFor(store, c, SSL_WRITE);
    const body = await readBody(c, uploadSchema, REFUSAL);
    const certificate = edit(zone.id, (draft, { options }) => addCertificate(draft, kind, body, options));
    return ok(c, shownCertificate(zone, kind, certificate));
  };
  const get = (kind: Kind) => (c: Context<Variables>) => {
    const zone = zoneFor(store, c, SSL_READ);
    const certificate = findCertificate(listedCertificates(zone, kind), c.req.param("id") ?? "");
    return ok(c, shownCertificate(zone, kind, certificate));
  };
  const remove = (kind: Kind) => (c: Context<Variables>) => {
    const zone = zoneFor(store, c, SSL_WRITE);
    const id = c.req.param("id") ?? "";
    const certificate = edit(zone.id, (draft, { options }) => deleteCertificate(draft, kind, id, options));
    return ok(c, { ...shownCertificate(zone, kind, certificate), status: "pending_deletion" });
  };

  routes.get("/settings", (c) => ok(c, { enabled: zoneFor(store, c, SSL_READ).origin_pulls.enabled }));
  routes.put("/settings", async (c) => {
    const zone = zoneFor(store, c, SSL_WRITE);
    const { enabled } = await readBody(c, switchSchema, REFUSAL);
    edit(zone.id, (draft) => {
      draft.origin_pulls.enabled = enabled;
    });
    return ok(c, { enabled });
  });

  routes.get("/hostnames/certificates", list("hostname_certificates"));
  routes.post("/hostnames/certificates", upload("hostname_certificates"));
  routes.get("/hostnames/certificates/:id", get("hostname_certificates"));
  routes.delete("/hostnames/certificates/:id", remove("hostname_certificates"));

  routes.put("/hostnames", async (c) => {
    const zone = zoneFor(store, c, SSL_WRITE);
    const { config } = await readBody(c, hostnamesSchema, REFUSAL);
    const result = edit(zone.id, (draft, state) => config.map((entry) => associate(draft, state, entry)));
    return ok(c, result);
  });
  routes.get("/hostnames", (c) => {
    const zone = zoneFor(store, c, SSL_READ);
    return page(
      c,
      zone.origin_pulls.hostnames.map((entry) => shownHostname(zone, entry)),
    );
  });
  routes.get("/hostnames/:hostname", (c) => {
    const zone = zoneFor(store, c, SSL_READ);
    const hostname = c.req.param("hostname").toLowerCase();
    const entry = zone.origin_pulls.hostnames.find((candidate) => candidate.hostname === hostname);
    if (entry) return ok(c, shownHostname(zone, entry));
    const leaving = changeOf(zone, hostname);
    if (leaving?.cert_id == null) throw new ApiError(404, 1413, "No association found for this hostname.");
    const voided = { hostname, cert_id: leaving.cert_id, enabled: false, created_at: now(), updated_at: now() };
    return ok(c, shownHostname(zone, voided, null));
  });

  routes.get("/", list("certificates"));
  routes.post("/", upload("certificates"));
  routes.get("/:id", get("certificates"));
  routes.delete("/:id", remove("certificates"));

  return routes;
}

/** Sets or, with `enabled: null`, voids one host name's certificate. Returns what the API shows for it. */
function associate(
  zone: Zone,
  state: State,
  entry: { hostname: string; cert_id?: string | null | undefined; enabled: boolean | null },
): object {
  const hostname = entry.hostname.toLowerCase();
  const { origin_pulls: pulls } = zone;
  if (zoneOfHost(state, hostname)?.id !== zone.id) {
    throw new ApiError(400, 1414, "The hostname does not belong to this zone.");
  }
  const time = now();
  const before = pulls.hostnames.find((candidate) => candidate.hostname === hostname);
  const certId = entry.cert_id ?? before?.cert_id ?? "";
  const { enabled } = entry;
  if (enabled !== null && !pulls.hostname_certificates.some(({ id }) => id === certId)) {
    throw new ApiError(400, 1415, "The certificate is invalid: no hostname certificate of this zone has this cert_id.");
  }
  const after: PullHostname = {
    hostname,
    cert_id: certId,
    enabled: enabled ?? false,
    created_at: before?.created_at ?? time,
    updated_at: time,
  };
  const others = pulls.hostnames.filter((candidate) => candidate !== before);
  pulls.hostnames = enabled === null ? others : [...others, after];
  const delay = state.options.origin_pull_association_ms;
  if (delay > 0 && (before?.cert_id !== certId || before.enabled !== enabled)) {
    // What the edge does now, it does until the change has reached it.
    const current = changeOf(zone, hostname)?.cert_id ?? (before?.enabled === true ? before.cert_id : null);
    const until = inMilliseconds(delay);
    pulls.changing = pulls.changing.filter((change) => change.hostname !== hostname && !isPast(change.until));
    pulls.changing.push({ hostname, cert_id: current, until });
  }
  return shownHostname(zone, after, enabled);
}
