import { X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "../../../cli/lib/command.ts";
import { DELETED, LEAVING } from "../../../components/orphan-cleanup/orphans.ts";
import type { Api } from "./api.ts";
import { type Place, PREFIX } from "./laboratory.ts";

type Found = Record<string, unknown>;
type Where = Pick<Place, "api" | "zoneId" | "accountId">;

/** For how long all refusals together are not believed. */
const PATIENCE_MS = 300_000;

/** Objects of one kind. */
interface Kind {
  list: string;
  path: (one: Found) => string;
  /** What is named after the run that has made it: one of these begins with the run's name. */
  names: (one: Found) => unknown[];
  /** Default: DELETE at its path. */
  remove?: (one: Found) => Promise<unknown>;
}

/** All kinds in the order of their removal: what uses others comes first. */
function kinds({ api, zoneId, accountId }: Where): Kind[] {
  const [zone, access] = [`/zones/${zoneId}`, `/accounts/${accountId}/access`];
  const pulls = `${zone}/origin_tls_client_auth/hostnames`;
  const folder = (path: string, names: Kind["names"], list = path): Kind => ({
    list,
    path: ({ id }) => `${path}/${String(id)}`,
    names,
  });
  return [
    folder(`${zone}/dns_records`, ({ name }) => [name, String(name).replace(/^deep\./, "")]),
    folder(`${access}/apps`, ({ name, domain }) => [name, domain]),
    folder(`${access}/policies`, ({ name }) => [name]),
    folder(`${access}/service_tokens`, ({ name }) => [name]),
    {
      list: pulls,
      path: ({ hostname }) => `${pulls}/${String(hostname)}`,
      names: ({ hostname }) => [hostname],
      remove: ({ hostname, cert_id }) => api.must("PUT", pulls, { config: [{ hostname, cert_id, enabled: null }] }),
    },
    folder(`${pulls}/certificates`, (one) => [subjectOf(one)]),
    folder(
      "/certificates",
      ({ hostnames }) => (Array.isArray(hostnames) ? hostnames : []),
      `/certificates?zone_id=${zoneId}`,
    ),
  ];
}

const subjectOf = ({ certificate }: Found): string => {
  try {
    return /CN=(\S+)/.exec(new X509Certificate(String(certificate)).subject)?.[1] ?? "";
  } catch {
    return "";
  }
};

/** What Cloudflare goes on listing although it is deleted. */
const isGone = ({ status, revoked_at: revoked }: Found) =>
  status === DELETED || status === LEAVING || typeof revoked === "string";

async function find(api: Api, { list, names }: Kind, prefix: string): Promise<Found[]> {
  const isOurs = (text: unknown) => typeof text === "string" && text.startsWith(prefix);
  return (await api.list(list)).filter((one) => !isGone(one) && names(one).some(isOurs));
}

/**
 * Looks for what runs have made and not removed: one that is going on, or one that was cut off.
 * @throws CommandError if the token cannot read one of the lists
 */
export async function findLeft(where: Where): Promise<string[]> {
  const left: string[] = [];
  for (const kind of kinds(where)) left.push(...(await find(where.api, kind, PREFIX)).map(kind.path));
  return left;
}

/**
 * Removes what a run has made, or all runs: what begins with its name. A refusal keeps nothing else from being removed.
 * @returns what was removed
 * @throws CommandError that names what stays
 */
export async function clean(where: Where, prefix = PREFIX): Promise<string[]> {
  const { api } = where;
  const removed: string[] = [];
  const problems: string[] = [];
  const end = Date.now() + PATIENCE_MS;
  const trying = (work: Promise<void>) =>
    work.catch((error: unknown) => {
      problems.push(error instanceof Error ? error.message : String(error));
    });
  const removeAll = async (kind: Kind) => {
    for (const one of await find(api, kind, prefix)) {
      const path = kind.path(one);
      const removing = async () => void (await (kind.remove?.(one) ?? remove(api, path, end)), removed.push(path));
      await trying(removing());
    }
  };
  for (const kind of kinds(where)) await trying(removeAll(kind));
  if (problems.length === 0) return removed;
  throw new CommandError(`not everything could be removed, so run it again with --clean: ${problems.join("; ")}`);
}

/** Deletes an object, which Cloudflare may refuse for a while; a token that may not delete it never may. */
async function remove(api: Api, path: string, end: number): Promise<void> {
  for (; ; await sleep(2000)) {
    const reply = await api.call("DELETE", path);
    if (reply.ok || reply.status === 404) return;
    if (Date.now() > end || reply.status === 401 || reply.status === 403)
      throw new CommandError(`${path} stays: Cloudflare answers ${[reply.status, ...reply.codes].join(", ")}`);
  }
}
