// What public DNS says about a name.
import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { CommandError } from "./command.ts";

/** What a name resolves to, and who serves it. */
export interface PublicName {
  /** `undefined` if no resolver answers. */
  addresses: readonly string[] | undefined;
  /** The name that it is an alias of (CNAME). */
  alias: string | undefined;
  /** The name servers of its zone, in lower case; empty if they cannot be told. */
  nameServers: readonly string[];
}

/** Looks a name up. */
export type LookUp = (name: string) => Promise<PublicName>;

const ANSWER_MS = 2000;

/**
 * Looks names up at a DNS server; by default at the workstation's own, which at home may answer for home names itself.
 *
 * @param server `address`, `address:port` or `[address]:port`
 */
export function lookUpAt(server?: string): LookUp {
  const resolver = new Resolver({ timeout: ANSWER_MS, tries: 2 });
  if (server !== undefined) resolver.setServers([server]);
  return async (name) => {
    const [four, six, alias, nameServers] = await Promise.all([
      known(resolver.resolve4(name)),
      known(resolver.resolve6(name)),
      known(resolver.resolveCname(name)),
      nameServersOf(resolver, name),
    ]);
    const answered = [four, six].filter((addresses) => addresses !== undefined);
    return { addresses: answered.length === 0 ? undefined : answered.flat(), alias: alias?.[0], nameServers };
  };
}

/** The answer; empty if there is none of the kind, `undefined` if nobody answers. */
const known = (asked: Promise<string[]>): Promise<string[] | undefined> =>
  asked.catch(({ code }: NodeJS.ErrnoException) => (code === "ENOTFOUND" || code === "ENODATA" ? [] : undefined));

/** The name servers of the closest zone above a name. */
async function nameServersOf(resolver: Resolver, name: string): Promise<string[]> {
  const labels = name.split(".");
  for (let at = 0; at < labels.length - 1; at += 1) {
    const found = (await known(resolver.resolveNs(labels.slice(at).join(".")))) ?? [];
    if (found.length > 0) return found.map((server) => server.toLowerCase());
  }
  return [];
}

/**
 * The value of the flag `--resolver`.
 *
 * @throws CommandError if it is not the address of a server
 */
export function parseResolver(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const [, bracketed, plain] = /^(?:\[([^\]]+)\](?::\d{1,5})?|([\d.]+)(?::\d{1,5})?)$/.exec(text) ?? [];
  if (isIP(text) !== 0 || isIP(bracketed ?? plain ?? "") !== 0) return text;
  throw new CommandError(`--resolver ${text} is not the address of a DNS server, like 1.1.1.1`);
}

/** Whether a name is served by Cloudflare for another zone than `zoneName`, in whoever's account that is. */
export const isElsewhereOnCloudflare = (name: string, { nameServers }: PublicName, zoneName: string): boolean =>
  name !== zoneName &&
  !name.endsWith(`.${zoneName}`) &&
  nameServers.some((server) => server.endsWith(".ns.cloudflare.com"));
