import { X509Certificate } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { Account } from "../cloudflare-account.ts";
import { DELETED, LEAVING } from "../orphan-cleanup/orphans.ts";
import { type Timing, waitForStatus } from "./activation.ts";
import { authorityName } from "./certificate.ts";

/** A host name's own certificate, as the API shows it. */
interface Association {
  cert_id?: string;
  enabled?: boolean | null;
  status?: string;
}

/** Statuses of an association that the edge has not given up yet. */
const ON_ITS_WAY = ["initializing", "pending_deployment", LEAVING];

export interface VoidingArgs {
  zoneId: string;
  /** The stack's own. */
  hostnames: readonly string[];
  /** Mode of the origin pulls from now on. */
  mode: "zone" | "shared";
  open: () => Promise<Account>;
}

/**
 * Creates a hook that has Cloudflare no longer present what wins over the mode's certificate: those of host names and, in
 * the mode `shared`, the zone's. It pauses the deployment until the edge no longer has the host names' certificates. The
 * engine deletes what a former mode has declared only at the end, and until then the sites would answer 400.
 *
 * It only warns if it fails. That fails closed: the sites answer 400 until the `up` ends.
 *
 * @param name unique name of the hook
 */
export function createVoidingHook(name: string, { zoneId, hostnames, mode, open }: VoidingArgs): pulumi.ResourceHook {
  return new pulumi.ResourceHook(
    name,
    async () => {
      const api = await open();
      const done = await Promise.allSettled([
        voidAssociations(api, zoneId, hostnames),
        ...(mode === "shared" ? [disableZoneCertificate(api, zoneId, hostnames)] : []),
      ]);
      for (const one of done) if (one.status === "rejected") throw one.reason;
    },
    { ignoreErrors: true },
  );
}

/** Has the zone present no certificate of its own, unless it has one that this program has not made. */
export async function disableZoneCertificate(
  api: Account,
  zoneId: string,
  hostnames: readonly string[],
): Promise<void> {
  const folder = `zones/${zoneId}/origin_tls_client_auth`;
  const listed = await api.list<{ certificate?: string; status?: string }>(folder);
  // Deleted ones stay listed.
  const present = listed.filter(({ status }) => status !== DELETED && status !== LEAVING);
  const own = hostnames.map((hostname) => `CN=${authorityName(hostname)}`);
  const isOwn = (pem = "") => own.includes(issuerOf(pem) ?? "");
  if (present.length > 0 && present.every(({ certificate }) => isOwn(certificate)))
    await api.put(`${folder}/settings`, { enabled: false });
}

/** The issuer of a certificate; `undefined` for what is none. */
function issuerOf(pem: string): string | undefined {
  try {
    return new X509Certificate(pem).issuer;
  } catch {
    return undefined;
  }
}

/** Voids the host names' associations, as far as there are any, and waits until the edge knows. */
export async function voidAssociations(
  api: Account,
  zoneId: string,
  hostnames: readonly string[],
  timing: Timing = {},
): Promise<void> {
  const folder = `zones/${zoneId}/origin_tls_client_auth/hostnames`;
  const find = (hostname: string) => api.find<Association>(`${folder}/${hostname}`);
  const present: { hostname: string; cert_id?: string; enabled: null }[] = [];
  for (const hostname of hostnames) {
    const { cert_id, enabled } = (await find(hostname)) ?? {};
    if (enabled === true) present.push({ hostname, ...(cert_id !== undefined && { cert_id }), enabled: null });
  }
  if (present.length === 0) return;
  await api.put(folder, { config: present });
  for (const { hostname } of present) {
    const status = async () => {
      const { enabled, status: now = "active" } = (await find(hostname)) ?? { status: "gone" };
      return enabled === true || ON_ITS_WAY.includes(now) ? now : "gone";
    };
    const what = `former origin-pull certificate of ${hostname}`;
    await waitForStatus("gone", status, { what, doing: "withdrawing", done: "withdrawn" }, timing);
  }
}
