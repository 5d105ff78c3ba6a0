import { X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { DELETED, LEAVING } from "../../../components/orphan-cleanup/orphans.ts";
import type { Api } from "./api.ts";
import { type Place, PREFIX } from "./laboratory.ts";

type Found = Record<string, unknown>;

const isOurs = (text: unknown): boolean => typeof text === "string" && text.startsWith(PREFIX);
const subjectOf = ({ certificate }: Found): string => {
  try {
    return /CN=(\S+)/.exec(new X509Certificate(String(certificate)).subject)?.[1] ?? "";
  } catch {
    return "";
  }
};

/**
 * Removes everything that a run has made, this one or one that was cut off: what begins with the suite's own name.
 * @returns what was removed
 * @throws Error if something stays
 */
export async function clean({
  api,
  zoneId,
  accountId,
}: Pick<Place, "api" | "zoneId" | "accountId">): Promise<string[]> {
  const [zone, access] = [`/zones/${zoneId}`, `/accounts/${accountId}/access`];
  const pulls = `${zone}/origin_tls_client_auth/hostnames`;
  const removed: string[] = [];
  const sweep = async (folder: string, list: string, ours: (one: Found) => boolean) => {
    for (const one of (await api.list(list)).filter(ours)) {
      const path = `${folder}/${String(one.id)}`;
      await remove(api, path);
      removed.push(path);
    }
  };
  await sweep(
    `${zone}/dns_records`,
    `${zone}/dns_records`,
    ({ name }) => isOurs(name) || /\.immich-access-acceptance-/.test(String(name)),
  );
  await sweep(`${access}/apps`, `${access}/apps`, ({ name, domain }) => isOurs(name) || isOurs(domain));
  await sweep(`${access}/policies`, `${access}/policies`, ({ name }) => isOurs(name));
  await sweep(`${access}/service_tokens`, `${access}/service_tokens`, ({ name }) => isOurs(name));
  const certificates = (await api.list(`${pulls}/certificates`)).filter((one) => isOurs(subjectOf(one)));
  const present = certificates.filter(({ status }) => status !== DELETED && status !== LEAVING);
  for (const { hostname, cert_id: cert } of await api.list(pulls)) {
    if (isOurs(hostname)) await api.must("PUT", pulls, { config: [{ hostname, cert_id: cert, enabled: null }] });
  }
  for (const { id } of present) {
    await remove(api, `${pulls}/certificates/${String(id)}`);
    removed.push(`${pulls}/certificates/${String(id)}`);
  }
  await sweep("/certificates", `/certificates?zone_id=${zoneId}`, ({ hostnames }) =>
    (Array.isArray(hostnames) ? hostnames : []).some(isOurs),
  );
  return removed;
}

/** Deletes an object, which Cloudflare may refuse for a while. */
async function remove(api: Api, path: string): Promise<void> {
  for (const end = Date.now() + 300_000; ; await sleep(2000)) {
    const reply = await api.call("DELETE", path);
    if (reply.ok || reply.status === 404) return;
    if (Date.now() > end)
      throw new Error(`${path} stays: Cloudflare answers ${reply.status.toString()}, ${reply.codes.join(", ")}`);
  }
}
