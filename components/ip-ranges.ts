import { isIPv6 } from "node:net";
import * as cloudflare from "./cloudflare.ts";
import type { AddressRanges } from "./origin-host/firewall.ts";

/**
 * Cloudflare's address ranges: the pinned ones if there are any, else those from the API.
 *
 * The API's `jdcloudCidrs` are left out: only Enterprise zones use Cloudflare's partner network in China.
 */
export function cloudflareRanges(pinned: readonly string[], provider: cloudflare.Provider): AddressRanges {
  if (pinned.length > 0) {
    return {
      ipv4: pinned.filter((cidr) => !isIPv6(network(cidr))),
      ipv6: pinned.filter((cidr) => isIPv6(network(cidr))),
    };
  }
  const ranges = cloudflare.getIpRangesOutput({}, { provider });
  return { ipv4: ranges.ipv4Cidrs, ipv6: ranges.ipv6Cidrs };
}

const network = (cidr: string) => cidr.split("/")[0] ?? "";
