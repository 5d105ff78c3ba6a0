// Lookups of uploaded origin-pull certificates: the only way to learn when the edge has put one into use.
import type { Lookup } from "../sdk/plugin.ts";
import type { Values } from "../sdk/values.ts";
import type { Client, JsonObject } from "./client.ts";
import { camel } from "./fields.ts";

const FIELDS = ["certificate", "expires_on", "issuer", "serial_number", "signature", "status", "uploaded_on"];

function lookup(folder: string, more: readonly string[] = []): Lookup<Client> {
  return {
    inputs: { zoneId: { type: "string", required: true }, certificateId: { type: "string", required: true } },
    async invoke(client, inputs, { signal }): Promise<Values> {
      const { zoneId, certificateId } = inputs as { zoneId: string; certificateId: string };
      const path = `zones/${zoneId}/origin_tls_client_auth/${folder}${certificateId}`;
      const result = ((await client.request("GET", path, undefined, signal)) ?? {}) as JsonObject;
      const known = [...FIELDS, ...more].filter((field) => result[field] != null);
      return {
        id: certificateId,
        zoneId,
        certificateId,
        ...Object.fromEntries(known.map((field) => [camel(field), result[field] as string | boolean])),
      };
    },
  };
}

/** cloudflare:index/getAuthenticatedOriginPullsCertificate:getAuthenticatedOriginPullsCertificate */
export const getOriginPullsCertificate = lookup("", ["enabled"]);

/** cloudflare:index/getAuthenticatedOriginPullsHostnameCertificate:getAuthenticatedOriginPullsHostnameCertificate */
export const getOriginPullsHostnameCertificate = lookup("hostnames/certificates/");
