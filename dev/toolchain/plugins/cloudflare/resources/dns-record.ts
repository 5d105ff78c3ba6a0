// cloudflare:index/dnsRecord:DnsRecord
import { resource } from "../resource.ts";

const collection = (zone: unknown) => `zones/${String(zone)}/dns_records`;

export const dnsRecord = resource({
  fields: {
    zoneId: { type: "string", mode: "path", replaces: true },
    name: { type: "string", mode: "required" },
    type: { type: "string", mode: "required", replaces: true },
    ttl: { type: "number", mode: "required" },
    content: { type: "string", mode: "optional" },
    comment: { type: "string", mode: "optional" },
    priority: { type: "number", mode: "optional" },
    proxied: { type: "boolean", mode: "kept", default: false },
    settings: {
      type: {
        properties: {
          flattenCname: { type: "boolean" },
          ipv4Only: { type: "boolean" },
          ipv6Only: { type: "boolean" },
        },
      },
      mode: "kept",
    },
    tags: { type: ["string"], mode: "kept", unordered: true },
    commentModifiedOn: { type: "string", mode: "computed", follows: ["comment"] },
    createdOn: { type: "string", mode: "computed" },
    meta: { type: "string", mode: "computed", json: true },
    modifiedOn: { type: "string", mode: "computed", follows: true },
    proxiable: { type: "boolean", mode: "computed" },
    tagsModifiedOn: { type: "string", mode: "computed", follows: ["tags"] },
  },
  create: { method: "POST", path: ({ zoneId }) => collection(zoneId) },
  item: ({ zoneId }, id) => `${collection(zoneId)}/${id}`,
  update: "PUT",
  delete: "DELETE",
  imported: (text) => {
    const [, zoneId, id] = /^([^/]+)\/([^/]+)$/.exec(text) ?? [];
    return zoneId === undefined || id === undefined ? undefined : { id, state: { zoneId } };
  },
  refuse: ({ proxied, ttl }) =>
    proxied === true && ttl !== 1 ? "ttl must be 1 (automatic) for a record with proxied: true" : undefined,
});
