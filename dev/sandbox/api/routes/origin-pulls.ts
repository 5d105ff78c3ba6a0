// Authenticated origin pulls: the zone's own switch and certificates, and those for single host names.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { statesBasicConstraints } from "../../certificates/x509.ts";
import { ApiError, ok, page } from "../answers.ts";
import { now, readBody, rfc3339 } from "../bodies.ts";
import { newId } from "../ids.ts";
import type { PullCertificate, PullHostname, State, Zone } from "../state.ts";
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

/** Whether the certificate has reached the edge. */
export const statusOf = (certificate: PullCertificate): "active" | "pending_deployment" =>
  Date.parse(certificate.active_from) <= Date.now() ? "active" : "pending_deployment";

function accept(body: z.output<typeof uploadSchema>, activationMs: number): PullCertificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(body.certificate);
  } catch {
    throw new ApiError(400, 1401, "The certificate is not a valid PEM certificate.");
  }
  if (certificate.ca) throw new ApiError(400, 1412, "Missing leaf certificate. Only leaf certificate is allowed.");
  if (!statesBasicConstraints(certificate.raw)) throw new ApiError(400, 1412, "Only leaf certificate is allowed.");
  if (Date.parse(certificate.validTo) <= Date.now()) throw new ApiError(400, 1405, "The certificate has expired.");
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(body.private_key));
  } catch {
    throw new ApiError(400, 1403, "The private key is not a valid PEM private key.");
  }
  if (!matches) throw new ApiError(400, 1404, "The private key does not match the certificate.");
  return {
    id: newId(),
    certificate: body.certificate,
    private_key: body.private_key,
    uploaded_on: now(),
    active_from: new Date(Date.now() + activationMs).toISOString(),
  };
}

function details(certificate: PullCertificate): Record<string, string> {
  const parsed = new X509Certificate(certificate.certificate);
  return {
    certificate: certificate.certificate,
    expires_on: rfc3339(new Date(parsed.validTo)),
    issuer: parsed.issuer.split("\n").reverse().join(","),
    serial_number: BigInt(`0x${parsed.serialNumber}`).toString(),
    signature: parsed.publicKey.asymmetricKeyType === "rsa" ? "SHA256WithRSA" : "ECDSA-SHA256",
    uploaded_on: certificate.uploaded_on,
  };
}

const shown = (certificate: PullCertificate): object => ({
  id: certificate.id,
  status: statusOf(certificate),
  ...details(certificate),
});

function shownHostname(zone: Zone, entry: PullHostname, enabled: boolean | null = entry.enabled): object {
  const certificate = zone.origin_pulls.hostname_certificates.find((candidate) => candidate.id === entry.cert_id);
  const { uploaded_on, ...rest } = certificate === undefined ? { uploaded_on: "" } : details(certificate);
  const status = certificate === undefined ? "deleted" : statusOf(certificate);
  return {
    ...rest,
    hostname: entry.hostname,
    cert_id: entry.cert_id,
    enabled,
    status,
    cert_status: status,
    cert_uploaded_on: uploaded_on,
    cert_updated_at: uploaded_on,
    created_at: entry.created_at,
    updated_at: entry.updated_at,
  };
}

type Kind = "certificates" | "hostname_certificates";

export function originPullRoutes(store: Store): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/zones/:zone{[0-9a-f]{32}}/origin_tls_client_auth");

  const edit = <T>(zoneId: string, change: (zone: Zone, state: State) => T): T =>
    store.change((state) => {
      const zone = state.zones.find((candidate) => candidate.id === zoneId);
      if (zone === undefined) throw new ApiError(404, 1001, "Invalid zone identifier");
      return change(zone, state);
    });
  const find = (zone: Zone, kind: Kind, id: string): PullCertificate => {
    const certificate = zone.origin_pulls[kind].find((candidate) => candidate.id === id);
    if (certificate === undefined) throw new ApiError(404, 1411, "The requested certificate was not found.");
    return certificate;
  };
  // A certificate of the zone level also tells whether that level is switched on.
  const view = (zone: Zone, kind: Kind, certificate: PullCertificate): object =>
    kind === "certificates" ? { ...shown(certificate), enabled: zone.origin_pulls.enabled } : shown(certificate);

  const list = (kind: Kind) => (c: Context<Variables>) => {
    const zone = zoneFor(store, c, SSL_READ);
    return page(
      c,
      zone.origin_pulls[kind].map((certificate) => view(zone, kind, certificate)),
    );
  };
  const upload = (kind: Kind) => async (c: Context<Variables>) => {
    const zone = zoneFor(store, c, SSL_WRITE);
    const body = await readBody(c, uploadSchema, REFUSAL);
    const certificate = accept(body, store.state.options.origin_pull_activation_ms);
    edit(zone.id, (draft) => draft.origin_pulls[kind].push(certificate));
    return ok(c, view(zone, kind, certificate));
  };
  const get = (kind: Kind) => (c: Context<Variables>) => {
    const zone = zoneFor(store, c, SSL_READ);
    return ok(c, view(zone, kind, find(zone, kind, c.req.param("id") ?? "")));
  };
  const remove = (kind: Kind) => (c: Context<Variables>) => {
    const zone = zoneFor(store, c, SSL_WRITE);
    const certificate = find(zone, kind, c.req.param("id") ?? "");
    if (kind === "hostname_certificates" && zone.origin_pulls.hostnames.some((h) => h.cert_id === certificate.id)) {
      throw new ApiError(400, 1416, "The certificate is in use by a hostname association; remove that first.");
    }
    edit(zone.id, (draft) => {
      draft.origin_pulls[kind] = draft.origin_pulls[kind].filter((candidate) => candidate.id !== certificate.id);
    });
    return ok(c, { ...view(zone, kind, certificate), status: "pending_deletion" });
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
    if (entry === undefined) throw new ApiError(404, 1413, "No association found for this hostname.");
    return ok(c, shownHostname(zone, entry));
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
  if (zoneOfHost(state, hostname)?.id !== zone.id) {
    throw new ApiError(400, 1414, "The hostname does not belong to this zone.");
  }
  const time = now();
  const before = zone.origin_pulls.hostnames.find((candidate) => candidate.hostname === hostname);
  const certId = entry.cert_id ?? before?.cert_id ?? "";
  if (entry.enabled === null) {
    zone.origin_pulls.hostnames = zone.origin_pulls.hostnames.filter((candidate) => candidate !== before);
    const created_at = before?.created_at ?? time;
    return shownHostname(zone, { hostname, cert_id: certId, enabled: false, created_at, updated_at: time }, null);
  }
  if (!zone.origin_pulls.hostname_certificates.some((certificate) => certificate.id === certId)) {
    throw new ApiError(400, 1415, "The certificate is invalid: no hostname certificate of this zone has this cert_id.");
  }
  const after: PullHostname = {
    hostname,
    cert_id: certId,
    enabled: entry.enabled,
    created_at: before?.created_at ?? time,
    updated_at: time,
  };
  zone.origin_pulls.hostnames = [...zone.origin_pulls.hostnames.filter((candidate) => candidate !== before), after];
  return shownHostname(zone, after);
}
