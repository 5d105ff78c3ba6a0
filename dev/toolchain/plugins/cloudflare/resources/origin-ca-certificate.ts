// cloudflare:index/originCaCertificate:OriginCaCertificate
import { unknown } from "../../sdk/values.ts";
import { resource } from "../resource.ts";

const types = ["origin-rsa", "origin-ecc", "keyless-certificate"];

export const originCaCertificate = resource({
  fields: {
    csr: { type: "string", mode: "required", replaces: true, once: true },
    // The order counts, and the API answers sorted: an unsorted list is replaced again after each refresh.
    hostnames: { type: ["string"], mode: "required", replaces: true },
    requestType: { type: "string", mode: "required", replaces: true },
    requestedValidity: {
      type: "number",
      mode: "kept",
      default: 5475,
      oneOf: [7, 30, 90, 365, 730, 1095, 5475],
      replaces: true,
      once: true,
    },
    certificate: { type: "string", mode: "computed" },
    expiresOn: { type: "string", mode: "computed" },
  },
  create: { method: "POST", path: () => "certificates" },
  item: (_values, id) => `certificates/${id}`,
  delete: "DELETE",
  check: ({ requestType }) =>
    requestType === unknown || types.includes((requestType as string).toLowerCase())
      ? []
      : [{ property: "requestType", reason: `must be one of: ${types.join(", ")}` }],
});
