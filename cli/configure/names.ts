// The host names of a stack, and whether its zone can serve them.
import { certificateProblem, labelsInZone } from "../doctor/cloudflare/readiness.ts";
import { asciiHostname } from "../../settings/network.ts";
import { CommandError } from "../lib/command.ts";
import type { Dialogue } from "./dialogue.ts";
import { problemOf } from "./setting-problems.ts";
import type { Texts } from "./stack.ts";

/** The problem with the site's host name, in ASCII or international, in a zone; `undefined` if there is none. */
export const hostnameProblem =
  (zoneName: string) =>
  (value: string): string | undefined => {
    const hostname = asciiHostname(value);
    const isElsewhere = labelsInZone(hostname, zoneName) === undefined;
    return problemOf("hostname")(hostname) ?? (isElsewhere ? `is not in the zone ${zoneName}` : undefined);
  };

/** A host name and the setting that has it. */
export interface NamedSetting {
  setting: string;
  hostname: string;
}

/** The host names besides the main site's, which are edited in the stack's file. */
export function furtherNames({ moreSites = "[]", publicShareHostname = "" }: Texts): NamedSetting[] {
  const sites = (JSON.parse(moreSites) as { hostname?: unknown }[]).map(({ hostname }, place) => ({
    setting: `moreSites[${place.toString()}].hostname`,
    hostname,
  }));
  return [...sites, { setting: "publicShareHostname", hostname: publicShareHostname }].filter(
    (named): named is NamedSetting => typeof named.hostname === "string" && named.hostname !== "",
  );
}

/**
 * Looks at the names before anything is deployed, and warns of those that have no certificate for visitors.
 *
 * @throws CommandError with the names that are not in the zone
 */
export function checkNames(dialogue: Dialogue, zoneName: string, names: readonly NamedSetting[]): void {
  const elsewhere = names.filter(({ hostname }) => labelsInZone(hostname, zoneName) === undefined);
  if (elsewhere.length > 0) {
    const listed = elsewhere.map(({ setting, hostname }) => `${setting} (${hostname})`).join(" and ");
    throw new CommandError(
      `all names of a stack are in one zone, and ${zoneName} does not have ${listed}: change the setting`,
    );
  }
  for (const { hostname } of names) {
    const found = certificateProblem(hostname, zoneName);
    if (found) dialogue.warn(`${found.problem}: ${found.remedy}.`);
  }
}
