// cloudflare:index/getIpRanges:getIpRanges
import type { Lookup } from "../sdk/plugin.ts";
import type { Client, JsonObject } from "./client.ts";
import { fromWire } from "./fields.ts";

/** The published address ranges, in the API's order. */
export const getIpRanges: Lookup<Client> = {
  inputs: { networks: { type: "string" } },
  async invoke(client, { networks }, { signal }) {
    const query = networks === undefined ? "" : `?networks=${encodeURIComponent(networks as string)}`;
    const result = (await client.request("GET", `ips${query}`, undefined, signal)) as JsonObject | null;
    const list = { type: ["string"], mode: "computed" } as const;
    return {
      id: "static",
      ...(networks === undefined ? {} : { networks }),
      etag: result?.etag ?? "",
      ipv4Cidrs: fromWire(result?.ipv4_cidrs ?? [], list),
      ipv6Cidrs: fromWire(result?.ipv6_cidrs ?? [], list),
      jdcloudCidrs: fromWire(result?.jdcloud_cidrs ?? [], list),
    };
  },
};
