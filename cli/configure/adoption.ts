// The questions about what already exists at Cloudflare.
import type { ApiReader } from "../doctor/cloudflare/collect.ts";
import type { Application } from "../doctor/cloudflare/facts.ts";
import type { Adoption } from "./adopt.ts";
import { lookUp, type Zone } from "./cloudflare.ts";
import type { Dialogue } from "./dialogue.ts";
import {
  describeRecord,
  type Issued,
  matchApplications,
  matchCertificates,
  matchRecords,
  type Record,
} from "./existing.ts";

/** A host name with its account and zone. */
export interface Site extends Zone {
  hostname: string;
}

/** Searches for what already exists for the host name, and offers to import what the stack can take over. */
export async function askAdoption(
  dialogue: Dialogue,
  api: ApiReader,
  { hostname, zoneId, accountId }: Site,
  given: { records: readonly Record[]; addresses: readonly string[]; known: ReadonlySet<string> },
): Promise<{ adoption: Adoption | undefined; tasks: string[] }> {
  const others = <T extends { id: string }>(found: readonly T[]) => found.filter(({ id }) => !given.known.has(id));
  const [applications, certificates] = await Promise.all([
    lookUp(api.all<Application>(`/accounts/${accountId}/access/apps`)),
    lookUp(api.all<Issued>(`/certificates?zone_id=${zoneId}`)),
  ]);
  const { adoptions, rest } = matchRecords(given.records, given.addresses);
  const { same, below } = matchApplications(others(applications), hostname);
  const issued = matchCertificates(others(certificates), hostname);
  const tasks: string[] = [];

  const take = async (what: string, then: string) => {
    dialogue.warn(`${what} is there already. ${then}`);
    if (await dialogue.confirm("Take it over into the stack?", true, "adopt")) return true;
    tasks.push(`${what} is not this stack's: delete it in the dashboard, or run this again with --adopt`);
    return false;
  };
  const records: Adoption["records"] =
    adoptions.length > 0 &&
    (await take(
      `For ${hostname}, ${adoptions.map(({ record }) => describeRecord(record)).join(" and ")}`,
      "pulumi up will make it proxied and lead to the host, after all else.",
    ))
      ? adoptions
      : [];
  const [application, ...doubles] = same;
  const adopted =
    application &&
    (await take(
      `The Access application "${application.name}"`,
      "pulumi up will put this stack's policies in place of its own; devices get new headers.",
    ))
      ? application.id
      : undefined;

  for (const record of rest)
    tasks.push(`${hostname} also has ${describeRecord(record)}: delete it in the dashboard, DNS`);
  for (const { name } of doubles) tasks.push(`the Access application "${name}" is a second one: delete it`);
  for (const { name } of below) {
    tasks.push(
      `the Access application "${name}" decides about paths of ${hostname} before this stack's: delete it unless you want that`,
    );
  }
  if (issued.length > 0) {
    dialogue.say(
      `${issued.length.toString()} origin certificates for ${hostname} are there already. Their keys are not at Cloudflare, so pulumi up ` +
        "makes one of its own; after that, revoke those that nothing else uses (SSL/TLS, Origin Server).",
    );
  }
  const adoption = { hostname, zoneId, accountId, records, application: adopted };
  return { adoption: records.length > 0 || adopted !== undefined ? adoption : undefined, tasks };
}
