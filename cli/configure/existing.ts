import { isOriginType } from "../../components/dns-record-types.ts";
import type { RecordContent } from "../../components/dns-records.ts";
import { isTunnel } from "../doctor/cloudflare/zone.ts";
import type { Application, DnsRecord, OriginCertificate } from "../doctor/cloudflare/facts.ts";

/** A DNS record with its id, for an import. */
export type Record = DnsRecord & { id: string };

/** The parts of an Origin CA certificate that are shown. */
export type Issued = OriginCertificate & { id: string; hostnames: readonly string[]; expires_on: string };

/** An existing record that becomes one of the stack's. */
export interface RecordAdoption {
  wanted: RecordContent;
  record: Record;
}

/**
 * Matches a name's records with those of the stack. `pulumi up` updates content and proxying, so a record of the same
 * type fits; one with the same content is preferred. One that leads into a tunnel is left to the tunnel.
 *
 * @returns also the records that are left: they would lead visitors elsewhere, and a CNAME would block other records
 */
export function matchRecords(
  records: readonly Record[],
  wanted: readonly RecordContent[],
): { adoptions: RecordAdoption[]; rest: Record[] } {
  const free = records.filter(({ type }) => isOriginType(type));
  const take = (fits: (record: Record) => boolean): Record | undefined => {
    const at = free.findIndex((record) => !isTunnel(record) && fits(record));
    return at < 0 ? undefined : free.splice(at, 1)[0];
  };
  const exact = wanted.map((one) => ({
    wanted: one,
    record: take(({ type, content }) => type === one.type && content === one.content),
  }));
  const all = exact.map(({ wanted: one, record }) => ({
    wanted: one,
    record: record ?? take(({ type }) => type === one.type),
  }));
  return { adoptions: all.flatMap(({ wanted: one, record }) => (record ? [{ wanted: one, record }] : [])), rest: free };
}

/** The applications that protect exactly this host name, and those for paths below it, which take precedence. */
export function matchApplications(
  applications: readonly Application[],
  hostname: string,
): { same: Application[]; below: Application[] } {
  const places = ({ domain, destinations }: Application) =>
    [domain, ...(destinations ?? []).map(({ uri }) => uri)].map((place) => place?.toLowerCase().replace(/\/$/, ""));
  const same = applications.filter((application) => places(application).includes(hostname));
  const below = applications.filter(
    (application) =>
      !same.includes(application) && places(application).some((place) => place?.startsWith(`${hostname}/`)),
  );
  return { same, below };
}

/** Origin certificates for the host name that do not belong to this stack. */
export function matchCertificates(certificates: readonly Issued[], hostname: string): Issued[] {
  const wildcard = hostname.replace(/^[^.]+/, "*");
  return certificates.filter(({ hostnames }) => hostnames.includes(hostname) || hostnames.includes(wildcard));
}

/** A record in a few words. */
export const describeRecord = ({ type, content, proxied }: DnsRecord) =>
  `${type} ${content}${proxied ? "" : " (not proxied)"}`;
