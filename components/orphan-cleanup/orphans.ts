import { X509Certificate } from "node:crypto";
import type { Account } from "../cloudflare-account.ts";

/** Something at Cloudflare that this stack created, by its name and content, but that is missing from its state. */
export interface Orphan {
  /** Its address at the API. */
  path: string;
  /** Its kind and name. */
  what: string;
  /**
   * For one that Cloudflare goes on listing: its status, when it was found. The same one can be created again only once
   * its status is `deleted`.
   */
  status?: string;
}

/** The status of what is deleted for good. */
export const DELETED = "deleted";

/** The status of what is being deleted. */
export const LEAVING = "pending_deletion";

/** The inputs of a resource, and its id once it exists. */
export interface SearchedResource {
  inputs: Readonly<Record<string, unknown>>;
  id?: string;
}

/** The site whose DNS records and certificate associations are looked at. */
export interface Site {
  zoneId: string;
  hostname: string;
}

/** Finds orphans of earlier attempts to create the same resource. Leaves out whatever is in use. */
export type Search = (api: Account, wanted: SearchedResource, site: Site) => Promise<Orphan[]>;

interface Found {
  id: string;
  [field: string]: unknown;
}

/** Finds other objects whose `fields` equal the resource's inputs. */
async function findTwins(api: Account, folder: string, { inputs, id }: SearchedResource, fields: readonly string[]) {
  const found = await api.list<Found>(folder);
  return found.filter((one) => one.id !== id && fields.every((field) => one[field] === inputs[field]));
}

/** Searches for parts of Access that may be deleted because none of their `users` refers to their id. */
function searchUnused(kind: string, folder: string, fields: readonly string[], users: readonly string[]): Search {
  return async (api, wanted) => {
    const access = `accounts/${String(wanted.inputs.accountId)}/access`;
    const found = await findTwins(api, `${access}/${folder}`, wanted, fields);
    const withoutUsed = async (some: readonly Found[]): Promise<readonly Found[]> => {
      if (some.length === 0) return [];
      const used = JSON.stringify(await Promise.all(users.map((user) => api.list(`${access}/${user}`))));
      return some.filter(({ id }) => !used.includes(id));
    };
    // Twice, because a list that changes while its pages are read can lack an entry.
    return (await withoutUsed(await withoutUsed(found))).map(({ id, name }) => ({
      path: `${access}/${folder}/${id}`,
      what: `${kind} ${String(name)}`,
    }));
  };
}

/** An application is deleted only while its host name has no DNS records: it may be the one that protects the name. */
const searchApplications: Search = async (api, wanted, { zoneId, hostname }) => {
  const folder = `accounts/${String(wanted.inputs.accountId)}/access/apps`;
  const found = await findTwins(api, folder, wanted, ["name", "domain"]);
  if (found.length > 0 && (await api.list(`zones/${zoneId}/dns_records?name=${hostname}`)).length > 0) {
    throw new Error(
      `Access has an application for ${hostname} (${found.map(({ id }) => id).join(", ")}) that this stack does not ` +
        `know, and ${hostname} is online; remove the DNS records of ${hostname}, then run it again`,
    );
  }
  return found.map(({ id, name }) => ({ path: `${folder}/${id}`, what: `application ${String(name)}` }));
};

const searchDnsRecords: Search = async (api, wanted) => {
  const { zoneId, name, type, content } = wanted.inputs as Record<string, string>;
  const folder = `zones/${zoneId}/dns_records`;
  const query = new URLSearchParams({ name: name ?? "", type: type ?? "", content: content ?? "" });
  const found = await findTwins(api, `${folder}?${query.toString()}`, wanted, ["proxied", "comment"]);
  return found.map(({ id }) => ({ path: `${folder}/${id}`, what: `${String(type)} record ${String(name)}` }));
};

/** A stack has one notification of a name and type. */
const searchNotifications: Search = async (api, { inputs, id }) => {
  const folder = `accounts/${String(inputs.accountId)}/alerting/v3/policies`;
  const found = await api.list<Found>(folder);
  return found
    .filter((one) => one.id !== id && one.name === inputs.name && one.alert_type === inputs.alertType)
    .map((one) => ({ path: `${folder}/${one.id}`, what: `notification "${String(one.name)}"` }));
};

/** A client certificate as lists show it, deleted ones too. */
interface PullCertificate {
  id: string;
  certificate?: string;
  status?: string;
}

/** Finds other uploads of the certificate that is about to be uploaded. */
async function findUploads(
  api: Account,
  folder: string,
  { inputs, id }: SearchedResource,
  hostname: string,
): Promise<(Orphan & { id: string })[]> {
  const pem = String(inputs.certificate).trim();
  const all = await api.list<PullCertificate>(folder);
  return all
    .filter((one) => one.id !== id && one.certificate?.trim() === pem && one.status !== DELETED)
    .map((one) => ({
      id: one.id,
      path: `${folder}/${one.id}`,
      what: `origin-pull certificate for ${hostname}`,
      ...(one.status !== undefined && { status: one.status }),
    }));
}

const searchHostnamePullCertificates: Search = async (api, wanted, { zoneId, hostname }) => {
  const folder = `zones/${zoneId}/origin_tls_client_auth/hostnames`;
  const found = await findUploads(api, `${folder}/certificates`, wanted, hostname);
  if (found.length === 0) return [];
  const used = await api.find<{ cert_id?: string }>(`${folder}/${hostname}`);
  return found.filter(({ id }) => id !== used?.cert_id);
};

/** A zone presents the certificate that came last. Another upload of the same one is therefore never needed. */
const searchZonePullCertificates: Search = (api, wanted, { zoneId, hostname }) =>
  findUploads(api, `zones/${zoneId}/origin_tls_client_auth`, wanted, hostname);

/**
 * Searches by type of resource. Where the API accepts a second object of the same name, an orphan differs from the one
 * that is about to be replaced only by being unused.
 */
export const SEARCHES: Readonly<Record<string, Search>> = {
  "cloudflare:index/authenticatedOriginPullsHostnameCertificate:AuthenticatedOriginPullsHostnameCertificate":
    searchHostnamePullCertificates,
  "cloudflare:index/authenticatedOriginPullsCertificate:AuthenticatedOriginPullsCertificate":
    searchZonePullCertificates,
  "cloudflare:index/dnsRecord:DnsRecord": searchDnsRecords,
  "cloudflare:index/notificationPolicy:NotificationPolicy": searchNotifications,
  "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication": searchApplications,
  "cloudflare:index/zeroTrustAccessIdentityProvider:ZeroTrustAccessIdentityProvider": searchUnused(
    "identity provider",
    "identity_providers",
    ["name", "type"],
    ["apps", "policies"],
  ),
  "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy": searchUnused(
    "policy",
    "policies",
    ["name"],
    ["apps"],
  ),
  "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken": searchUnused(
    "service token",
    "service_tokens",
    ["name"],
    ["apps", "policies"],
  ),
};

/**
 * Finds origin certificates for the installed certificate's key, other than the installed one and the one before it.
 * The provider revokes the latter itself.
 * @param installed SHA-256 of the installed certificate, in lower-case hexadecimal.
 * @param former the fingerprint of the one before it.
 */
export async function findOrphanedCertificates(
  api: Account,
  { zoneId, hostname }: Site,
  installed: string,
  former: string | undefined,
): Promise<Orphan[]> {
  const issued = await api.list<{ id: string; certificate: string }>(`certificates?zone_id=${zoneId}`);
  const read = issued.map(({ id, certificate }) => {
    const parsed = new X509Certificate(certificate);
    const key = parsed.publicKey.export({ type: "spki", format: "pem" });
    return { id, key, fingerprint: parsed.fingerprint256.replaceAll(":", "").toLowerCase() };
  });
  const own = read.find(({ fingerprint }) => fingerprint === installed);
  return read
    .filter(({ key, fingerprint }) => key === own?.key && fingerprint !== installed && fingerprint !== former)
    .map(({ id }) => ({ path: `certificates/${id}`, what: `origin certificate for ${hostname}` }));
}
