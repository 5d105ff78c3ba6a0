// The four resource types of Authenticated Origin Pulls.
import type { Value, Values } from "../../sdk/values.ts";
import type { Json, JsonObject } from "../client.ts";
import type { Fields } from "../fields.ts";
import { resource } from "../resource.ts";

const base = (zone: unknown) => `zones/${String(zone)}/origin_tls_client_auth`;

const sameBlock = (left: Value, right: Value) =>
  typeof left === "string" && typeof right === "string" && left.replace(/\n+$/, "") === right.replace(/\n+$/, "");

const certificateFields = {
  zoneId: { type: "string", mode: "path", replaces: true },
  certificate: { type: "string", mode: "required", replaces: true, same: sameBlock },
  expiresOn: { type: "string", mode: "computed" },
  issuer: { type: "string", mode: "computed" },
  serialNumber: { type: "string", mode: "computed" },
  signature: { type: "string", mode: "computed" },
  status: { type: "string", mode: "computed" },
  uploadedOn: { type: "string", mode: "computed" },
} as const satisfies Fields;

/** cloudflare:index/authenticatedOriginPullsSettings:AuthenticatedOriginPullsSettings */
export const originPullsSettings = resource({
  fields: {
    zoneId: { type: "string", mode: "path", replaces: true },
    enabled: { type: "boolean", mode: "required" },
  },
  id: ({ zoneId }) => zoneId as string,
  create: { method: "PUT", path: ({ zoneId }) => `${base(zoneId)}/settings` },
  item: ({ zoneId }) => `${base(zoneId)}/settings`,
  update: "create",
  delete: "never",
});

/** cloudflare:index/authenticatedOriginPullsCertificate:AuthenticatedOriginPullsCertificate */
export const originPullsCertificate = resource({
  fields: {
    ...certificateFields,
    privateKey: { type: "string", mode: "required", once: true },
    certificateId: { type: "string", mode: "computed", api: "id" },
    enabled: { type: "boolean", mode: "computed" },
  },
  secrets: ["privateKey"],
  create: { method: "POST", path: ({ zoneId }) => base(zoneId) },
  item: ({ zoneId }, id) => `${base(zoneId)}/${id}`,
  // The API has no update: another key without another certificate reaches only the state, as with the official plugin.
  update: "state",
  delete: "DELETE",
});

/** cloudflare:index/authenticatedOriginPullsHostnameCertificate:AuthenticatedOriginPullsHostnameCertificate */
export const originPullsHostnameCertificate = resource({
  fields: { ...certificateFields, privateKey: { type: "string", mode: "required", once: true, replaces: true } },
  secrets: ["privateKey"],
  create: { method: "POST", path: ({ zoneId }) => `${base(zoneId)}/hostnames/certificates` },
  item: ({ zoneId }, id) => `${base(zoneId)}/hostnames/certificates/${id}`,
  delete: "DELETE",
});

const firstConfig = ({ configs }: Values): Values => ((configs as Value[])[0] ?? {}) as Values;
const hostname = (values: Values) => firstConfig(values).hostname as string;

/** cloudflare:index/authenticatedOriginPulls:AuthenticatedOriginPulls: which certificate a host name uses. */
export const originPulls = resource({
  fields: {
    zoneId: { type: "string", mode: "path", replaces: true },
    configs: {
      type: [
        {
          properties: {
            certId: { type: "string" },
            enabled: { type: "boolean" },
            hostname: { type: "string", required: true },
          },
        },
      ],
      mode: "required",
      api: "config",
    },
    certId: { type: "string", mode: "computed", follows: true },
    certStatus: { type: "string", mode: "computed", follows: true },
    certUpdatedAt: { type: "string", mode: "computed", follows: true },
    certUploadedOn: { type: "string", mode: "computed", follows: true },
    certificate: { type: "string", mode: "computed", follows: true },
    createdAt: { type: "string", mode: "computed", follows: true },
    enabled: { type: "boolean", mode: "computed", follows: true },
    expiresOn: { type: "string", mode: "computed", follows: true },
    hostname: { type: "string", mode: "computed", follows: true },
    issuer: { type: "string", mode: "computed", follows: true },
    privateKey: { type: "string", mode: "computed" },
    serialNumber: { type: "string", mode: "computed", follows: true },
    signature: { type: "string", mode: "computed", follows: true },
    status: { type: "string", mode: "computed", follows: true },
    updatedAt: { type: "string", mode: "computed", follows: true },
  },
  secrets: ["privateKey"],
  id: hostname,
  create: { method: "PUT", path: ({ zoneId }) => `${base(zoneId)}/hostnames` },
  item: (values, id) => `${base(values.zoneId)}/hostnames/${id}`,
  update: "create",
  delete: (state) => ({
    method: "PUT",
    path: `${base(state.zoneId)}/hostnames`,
    body: {
      config: [{ cert_id: firstConfig(state).certId as Json, enabled: null, hostname: hostname(state) }],
    },
  }),
  pick(result, values) {
    const own = (Array.isArray(result) ? (result as JsonObject[]) : []).find(
      (one) => one.hostname === hostname(values),
    );
    if (!own) throw new Error(`the API's answer does not hold the host name ${hostname(values)}`);
    return own;
  },
  check: ({ configs }) =>
    !Array.isArray(configs) || configs.length === 1
      ? []
      : [{ property: "configs", reason: "must contain exactly one hostname" }],
});
