// Origin CA certificates: signed from a request, revoked when deleted.

import { X509Certificate } from "node:crypto";
import { Hono } from "hono";
import { z } from "zod";
import { issue, type KeyPairPem, readRequest } from "../../certificates/x509.ts";
import { ApiError, forbidden, ok, page } from "../answers.ts";
import { now, readBody } from "../bodies.ts";
import { newCertificateId } from "../ids.ts";
import type { OriginCertificate } from "../state.ts";
import type { Store } from "../store.ts";
import { allows, demand, type Variables } from "../tokens.ts";
import { isHostname, zoneOfHost } from "./scope.ts";

const DAY = 86_400_000;

const certificateSchema = z.strictObject({
  csr: z.string(),
  hostnames: z.array(z.string()).min(1).max(200),
  request_type: z.enum(["origin-rsa", "origin-ecc", "keyless-certificate"]),
  requested_validity: z.literal([7, 30, 90, 365, 730, 1095, 5475]).default(5475),
});

/** "2027-11-24 00:00:00 +0000 UTC", the way this part of the API writes a time. */
const goTime = (date: Date): string => `${date.toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;

/** Signs a request. As at Cloudflare, only the request's key is used, not the names that it asks for. */
function sign(ca: KeyPairPem, body: z.output<typeof certificateSchema>): OriginCertificate {
  let request;
  try {
    request = readRequest(body.csr);
  } catch (error) {
    throw new ApiError(400, 1005, `Failed to parse the certificate request: ${(error as Error).message}`);
  }
  const keyType = request.publicKey.asymmetricKeyType;
  if (body.request_type !== "keyless-certificate" && keyType !== (body.request_type === "origin-rsa" ? "rsa" : "ec")) {
    throw new ApiError(400, 1006, `The certificate request's key does not fit the request type ${body.request_type}`);
  }
  // Sorted, wildcards first: the list comes back in this order, whatever order was asked for.
  const hostnames = [...new Set(body.hostnames.map((host) => host.toLowerCase()))].sort();
  const notBefore = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 5 * 60_000);
  // The leaf may outlive the CA, as the real one may (its roots end on 2029-08-15): nothing shortens it here.
  const notAfter = new Date(notBefore.getTime() + body.requested_validity * DAY);
  const certificate = issue(ca, {
    subject: [
      ["O", "CloudFlare, Inc."],
      ["OU", "CloudFlare Origin CA"],
      ["CN", "CloudFlare Origin Certificate"],
    ],
    publicKey: request.publicKey,
    hostnames,
    notBefore,
    notAfter,
    usages: ["serverAuth", "clientAuth"],
  });
  return {
    id: newCertificateId(),
    certificate,
    csr: body.csr,
    hostnames,
    request_type: body.request_type,
    requested_validity: body.requested_validity,
    expires_on: goTime(notAfter),
    serial_number: new X509Certificate(certificate).serialNumber,
    revoked_at: null,
  };
}

/** A certificate as it is shown later: without what its creation has said. */
function shown(certificate: OriginCertificate): object {
  const { serial_number: _serial, csr: _csr, requested_validity: _validity, revoked_at, ...rest } = certificate;
  return revoked_at === null ? rest : { ...rest, revoked_at };
}

/** @param ca the sandbox's Origin CA. */
export function certificateRoutes(store: Store, ca: KeyPairPem): Hono<Variables> {
  const routes = new Hono<Variables>().basePath("/certificates");

  const zonesOf = (hostnames: string[]): string[] =>
    hostnames.map((host) => zoneOfHost(store.state, host.replace(/^\*\./, ""))?.id ?? "");

  routes.post("/", async (c) => {
    const body = await readBody(c, certificateSchema, { code: 1010, prefix: "Invalid request: " });
    for (const host of body.hostnames.map((name) => name.toLowerCase())) {
      if (!isHostname(host)) throw new ApiError(400, 1010, `Invalid hostname: ${host}`);
      const zone = zoneOfHost(store.state, host.replace(/^\*\./, ""));
      if (zone === undefined) throw new ApiError(403, 1016, "User is not authorized to perform this action");
      demand(c, { zone: zone.id }, "SSL and Certificates Write");
    }
    const certificate = sign(ca, body);
    store.change((state) => {
      state.origin_certificates.push(certificate);
    });
    const { csr, requested_validity } = certificate;
    return ok(c, { ...shown(certificate), csr, requested_validity });
  });

  routes.get("/", (c) => {
    const zone = c.req.query("zone_id");
    if (zone === undefined) {
      throw new ApiError(
        400,
        1012,
        "Please provide a zone id when requesting a stored certificate, or fetch by serial number",
      );
    }
    demand(c, { zone }, "SSL and Certificates Read");
    const found = store.state.origin_certificates.filter(
      (certificate) => certificate.revoked_at === null && zonesOf(certificate.hostnames).includes(zone),
    );
    return page(c, found.map(shown));
  });

  routes.get("/:id", (c) => {
    const certificate = store.state.origin_certificates.find((candidate) => candidate.id === c.req.param("id"));
    if (certificate === undefined) throw new ApiError(404, 1101, "Certificate not found");
    const allowed = zonesOf(certificate.hostnames).every((zone) =>
      allows(c.get("token"), { zone }, "SSL and Certificates Read"),
    );
    if (!allowed) throw forbidden();
    return ok(c, shown(certificate));
  });

  routes.delete("/:id", (c) => {
    const id = c.req.param("id");
    const revoked_at = now();
    store.change((state) => {
      const certificate = state.origin_certificates.find((candidate) => candidate.id === id);
      if (certificate === undefined) throw new ApiError(404, 1101, "Certificate not found");
      for (const zone of zonesOf(certificate.hostnames)) demand(c, { zone }, "SSL and Certificates Write");
      if (certificate.revoked_at !== null) throw new ApiError(400, 1014, "Certificate is already revoked");
      certificate.revoked_at = revoked_at;
    });
    return ok(c, { id, revoked_at });
  });

  return routes;
}
