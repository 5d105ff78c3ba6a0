// The name that the site's CNAME leads to, where the host's address moves.
import { isIP } from "node:net";
import { CGNAT, contains, unreachableReason } from "../../settings/network.ts";
import { isElsewhereOnCloudflare, type PublicName } from "../lib/public-name.ts";
import { type Check, type Finding, failed, passed } from "./finding.ts";

/** What to do about an address that a provider shares among its customers. */
export const CGNAT_REMEDY =
  "your provider shares this address among customers (CGNAT), so no port can be forwarded: ask it for a public IPv4 " +
  "address, or use the host's IPv6 address";

export const ORIGIN_NAME: Check = {
  id: "origin-name",
  place: "workstation",
  title: "Name of the origin",
  why: "Cloudflare goes where this name leads: to nobody or to a stranger's machine if it is out of date.",
  fix: "see that the DDNS client runs, and that originName is the name that it keeps (docs/moving-address.md)",
};

/** What the finding compares. */
export interface OriginNameFacts {
  /** The setting `originName`. */
  name: string;
  /** What it resolves to, as seen from here. */
  found: PublicName;
  /** Name of the stack's zone; `undefined` if it cannot be read. */
  zoneName: string | undefined;
  /** Public addresses at which the host is known to be: its own, and the one that SSH connects to. */
  hostAddresses: readonly string[];
}

/** Whether the name leads to where the host is, as far as that can be told from here and from the host. */
export function originNameFinding({ name, found, zoneName, hostAddresses }: OriginNameFacts): Finding {
  const { addresses, alias } = found;
  if (!addresses) return failed(ORIGIN_NAME, "no resolver answers", "look at this workstation's network", "unknown");
  if (addresses.length === 0) return failed(ORIGIN_NAME, `${name} does not resolve`);
  const says = `${name} leads to ${addresses.join(", ")}${alias === undefined ? "" : ` (an alias of ${alias})`}`;
  if (addresses.some((address) => contains(CGNAT, address))) return failed(ORIGIN_NAME, says, CGNAT_REMEDY);
  const reachable = addresses.filter((address) => unreachableReason(address) === undefined);
  if (reachable.length === 0) {
    const fix = `${ORIGIN_NAME.fix}; if it is the router that answers so at home, run the doctor with --resolver 1.1.1.1`;
    return failed(ORIGIN_NAME, `${says}, where Cloudflare cannot reach it`, fix);
  }
  if (zoneName !== undefined && isElsewhereOnCloudflare(name, found, zoneName)) {
    return failed(
      ORIGIN_NAME,
      `${says}; its zone is on Cloudflare, too, which answers with error 1014 if that is another account's`,
      "take a name of a DDNS service that is not on Cloudflare, or of your own zone",
      "warning",
    );
  }
  const elsewhere = ([4, 6] as const).filter((version) => differs(ofVersion(reachable, version), hostAddresses));
  if (elsewhere.length > 0) {
    return failed(ORIGIN_NAME, `${says}, but the host is at ${hostAddresses.join(", ")}`);
  }
  const unknown = hostAddresses.length === 0 ? "; behind a router, the host's own public address cannot be told" : "";
  return passed(ORIGIN_NAME, `${says}${unknown}`);
}

const ofVersion = (addresses: readonly string[], version: number) =>
  addresses.filter((address) => isIP(address) === version);

/** Whether addresses of one IP version have none in common with the host's; false if one side has none. */
function differs(named: readonly string[], host: readonly string[]): boolean {
  const own = host.filter((address) => isIP(address) === isIP(named[0] ?? "")).map(canonical);
  return own.length > 0 && !named.some((address) => own.includes(canonical(address)));
}

const canonical = (address: string): string =>
  isIP(address) === 6 ? new URL(`http://[${address}]`).hostname : address;
