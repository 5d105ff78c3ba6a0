// What there is in the end, of the host and of Cloudflare, in a form in which two deployments of the same settings are
// equal: without what is random, counted or dated in it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { State } from "../../../dev/sandbox/api/state.ts";
import type { World } from "../../e2e/support/world.ts";

/** A text for each thing by its name: a path, a group of rules, a part of Cloudflare's state. */
export type Fingerprint = Readonly<Record<string, string>>;

const PROGRAM = readFileSync(join(import.meta.dirname, "fingerprint.py"), "utf8");

/** Reads the host and the API double. */
export async function fingerprint({ sandbox, api }: World): Promise<Fingerprint> {
  const { code, stdout, stderr } = await sandbox.runOnHost(["/usr/bin/python3", "-I", "-"], { input: PROGRAM });
  if (code !== 0) throw new Error(`the host cannot be read: ${stderr.trim()}`);
  const host = Object.entries(JSON.parse(stdout) as Record<string, string>).map(([name, text]) => [
    withoutChance(name),
    withoutChance(/ rules$/.test(name) ? ruleText(text) : text),
  ]);
  return { ...cloudflare(await api.state()), ...(Object.fromEntries(host) as Fingerprint) };
}

/** What is different, one line for each thing. */
export function differences(wanted: Fingerprint, found: Fingerprint): string[] {
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(found)])].sort();
  return names
    .filter((name) => wanted[name] !== found[name])
    .map((name) => `${name}: ${found[name] ?? "missing"} instead of ${wanted[name] ?? "nothing"}`);
}

/** Replaces keys and certificates, their names and hashes, ids, numbers of changes, and times. */
function withoutChance(text: string): string {
  return text
    .replace(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----/g, "<$1>")
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<id>")
    .replace(/(?<![0-9a-z])[0-9a-f]{12,}(\.access)?(?![0-9a-z])/g, "<id>")
    .replace(/"number": \d+|firewall change \d+/g, "<change>")
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)/g, "<time>")
    .replace(/"at": [\d.]+/g, "<time>");
}

/** The rules as `iptables-save` has them, without its dates and counters, and with the chains in order of their names. */
function ruleText(saved: string): string {
  // A table that filters nothing means the same as none.
  const lines = saved
    .replace(/^#.*\n/gm, "")
    .replace(/^\*\w+\n(?::\w+ ACCEPT \[\d+:\d+\]\n)*COMMIT\n/gm, "")
    .split("\n");
  const chain = (line: string) => /^(?::|-A )(\S+)/.exec(line)?.[1] ?? "";
  return lines
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ""))
    .map((line, place) => ({ line, place, chain: chain(line) }))
    .sort((one, other) => one.chain.localeCompare(other.chain) || one.place - other.place)
    .map(({ line }) => line)
    .join("\n");
}

/** A zone with its host names in order: Cloudflare learns of those of several sites at the same time. */
function withoutOrder({ origin_pulls, ...zone }: State["zones"][number]) {
  const hostnames = origin_pulls.hostnames.toSorted((one, other) => one.hostname.localeCompare(other.hostname));
  // What was deleted stays listed at Cloudflare, and what the edge is still to follow is a matter of seconds.
  const { deleted: _deleted, changing: _changing, ...kept } = origin_pulls;
  return { ...zone, origin_pulls: { ...kept, hostnames } };
}

/** The parts of the double's state that the real API would show, with names in place of ids. */
function cloudflare(state: State): Fingerprint {
  const { access_apps, access_policies, service_tokens, identity_providers, dns_records, zones, organizations, ips } =
    state;
  const named = [...access_apps, ...access_policies, ...service_tokens, ...identity_providers];
  const parts = {
    access_apps,
    access_policies,
    service_tokens: service_tokens.map(({ secret_hash: _secret, client_id: _id, ...rest }) => rest),
    identity_providers,
    dns_records,
    origin_certificates: state.origin_certificates
      .filter(({ revoked_at }) => revoked_at === null)
      .map(({ serial_number: _serial, ...rest }) => rest),
    zones: zones.map(withoutOrder),
    organizations,
    ips,
  };
  const readable = (value: unknown) => {
    let text = JSON.stringify(value).replaceAll("\\n", "");
    for (const { id, name } of named) text = text.replaceAll(id, `<${name}>`);
    return withoutChance(text);
  };
  return Object.fromEntries(
    Object.entries(parts).map(([name, part]) => [
      `Cloudflare's ${name}`,
      Array.isArray(part) ? part.map(readable).sort().join("\n") : readable(part),
    ]),
  );
}
