import { isIPv6 } from "node:net";
import type { Application, DnsRecord, OriginCertificate } from "../doctor/cloudflare/facts.ts";

/** A DNS record with the id by which it can be imported. */
export type Record = DnsRecord & { id: string };

/** An Origin CA certificate, as far as it is told about here. */
export type Issued = OriginCertificate & { id: string; hostnames: readonly string[]; expires_on: string };

/** A record that becomes the one of an address. */
export interface RecordAdoption {
  address: string;
  record: Record;
}

/**
 * Which of a name's records become those of the addresses. `pulumi up` brings the others' content and proxying to what
 * the stack says, so a record of the same type serves for any address; the one with the same content comes first.
 *
 * @returns also the records that are left: they would lead visitors elsewhere, and a CNAME keeps others from being made
 */
export function matchRecords(
  records: readonly Record[],
  addresses: readonly string[],
): { adoptions: RecordAdoption[]; rest: Record[] } {
  const free = records.filter(({ type }) => ["A", "AAAA", "CNAME"].includes(type));
  const take = (fits: (record: Record) => boolean): Record | undefined => {
    const at = free.findIndex(fits);
    return at < 0 ? undefined : free.splice(at, 1)[0];
  };
  const exact = addresses.map((address) => ({ address, record: take(({ content }) => content === address) }));
  const all = exact.map(({ address, record }) => ({
    address,
    record: record ?? take(({ type }) => type === (isIPv6(address) ? "AAAA" : "A")),
  }));
  return { adoptions: all.flatMap(({ address, record }) => (record ? [{ address, record }] : [])), rest: free };
}

/** The applications that guard exactly this host name, and those for paths below it, which come before them. */
export function matchApplications(
  applications: readonly Application[],
  hostname: string,
): { same: Application[]; below: Application[] } {
  const places = ({ domain, destinations = [] }: Application) =>
    [domain, ...destinations.map(({ uri }) => uri)].map((place) => place?.toLowerCase().replace(/\/$/, ""));
  const same = applications.filter((application) => places(application).includes(hostname));
  const below = applications.filter(
    (application) =>
      !same.includes(application) && places(application).some((place) => place?.startsWith(`${hostname}/`)),
  );
  return { same, below };
}

/** Origin certificates for the host name that were not made by this stack. */
export function matchCertificates(certificates: readonly Issued[], hostname: string): Issued[] {
  const wildcard = hostname.replace(/^[^.]+/, "*");
  return certificates.filter(({ hostnames }) => hostnames.includes(hostname) || hostnames.includes(wildcard));
}

/** A record in a few words. */
export const describeRecord = ({ type, content, proxied }: DnsRecord) =>
  `${type} ${content}${proxied ? "" : " (not proxied)"}`;
