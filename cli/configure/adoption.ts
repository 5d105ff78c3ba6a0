// The questions about what already exists at Cloudflare.
import { type OriginTarget, recordsOf } from "../../components/dns-records.ts";
import type { ApiReader } from "../doctor/cloudflare/api.ts";
import { isTunnel } from "../doctor/cloudflare/zone.ts";
import type { Adoption } from "./adopt.ts";
import { APPLICATION, ISSUED, readList } from "./answers.ts";
import type { Zone } from "./cloudflare.ts";
import type { Dialogue } from "./dialogue.ts";
import { describeRecord, matchApplications, matchCertificates, matchRecords, type Record } from "./existing.ts";

/** A host name with its account and zone. */
export interface Site extends Zone {
  hostname: string;
}

/** Searches for what already exists for the host name, and offers to import what the stack can adopt. */
export async function askAdoption(
  dialogue: Dialogue,
  api: ApiReader,
  { hostname, zoneId, accountId }: Site,
  given: { records: readonly Record[]; target: OriginTarget; known: ReadonlySet<string> },
): Promise<{ adoption: Adoption | undefined; tasks: string[] }> {
  const others = <T extends { id: string }>(found: readonly T[]) => found.filter(({ id }) => !given.known.has(id));
  const [applications, certificates] = await Promise.all([
    readList(api, `/accounts/${accountId}/access/apps`, APPLICATION),
    readList(api, `/certificates?zone_id=${zoneId}`, ISSUED),
  ]);
  const { adoptions, rest } = matchRecords(given.records, recordsOf(given.target));
  const { same, below } = matchApplications(others(applications), hostname);
  const issued = matchCertificates(others(certificates), hostname);
  const tasks: string[] = [];

  const take = async (what: string, then: string) => {
    dialogue.warn(`Found ${what}. ${then}`);
    if (await dialogue.confirm("Adopt it into the stack?", true, "adopt")) return true;
    tasks.push(`delete ${what} in the dashboard, or run this again with --adopt`);
    return false;
  };
  const records: Adoption["records"] =
    adoptions.length > 0 &&
    (await take(
      `${adoptions.map(({ record }) => describeRecord(record)).join(" and ")} for ${hostname}`,
      "pulumi up will make this proxied and point it to the host, as its last step.",
    ))
      ? adoptions
      : [];
  const [application, ...doubles] = same;
  const adopted =
    application &&
    (await take(
      `the Access application "${application.name}"`,
      "pulumi up will replace its policies with this stack's; devices get new headers.",
    ))
      ? application.id
      : undefined;

  // Tunnels have a task of their own.
  for (const record of rest.filter((one) => !isTunnel(one)))
    tasks.push(`${hostname} also has ${describeRecord(record)}: delete it in the dashboard (DNS)`);
  for (const { name } of doubles) tasks.push(`the Access application "${name}" is a duplicate: delete it`);
  for (const { name } of below) {
    tasks.push(
      `the Access application "${name}" takes precedence over this stack's for paths of ${hostname}: delete it unless you need it`,
    );
  }
  if (issued.length > 0) {
    dialogue.say(
      `Found ${issued.length.toString()} origin certificates for ${hostname}. Cloudflare does not have their keys, so pulumi up creates ` +
        "another one. Afterwards, revoke those that nothing else uses (SSL/TLS, Origin Server).",
    );
  }
  const adoption = { hostname, zoneId, accountId, records, application: adopted };
  return { adoption: records.length > 0 || adopted !== undefined ? adoption : undefined, tasks };
}
