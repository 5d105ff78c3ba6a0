// The question about the port on which nginx serves the sites, and what another one than 443 needs at Cloudflare.
import { HTTPS_PORT } from "../../settings/topology.ts";
import { CommandError } from "../lib/command.ts";
import type { TriedToken, Zone } from "./cloudflare.ts";
import type { Dialogue } from "./dialogue.ts";
import type { Survey } from "./host.ts";
import { problemOf } from "./setting-problems.ts";
import { missingPermissions, ORIGIN_RULES } from "./token.ts";

/** The flag that answers the question. */
export const PORT_FLAG = "origin-port";

/** What to propose where 443 belongs to another program. */
const PROPOSED = 8443;

/**
 * Asks for the port if another program has the present one, or if it is another one than 443 already. Without a terminal
 * the present port stays, and `pulumi up` stops at whoever has it.
 *
 * @param present the port that was examined
 */
export async function askOriginPort(dialogue: Dialogue, survey: Survey, present: number): Promise<number> {
  const { portHolder } = survey;
  const given = dialogue.flag(PORT_FLAG);
  if (given === undefined && (!dialogue.interactive || (portHolder === null && present === HTTPS_PORT))) return present;
  if (portHolder !== null)
    dialogue.warn(`${portHolder} has port ${present.toString()}; nginx can serve on another one.`);
  const answer = await dialogue.text({
    flag: PORT_FLAG,
    message: "Port on which nginx serves the site; the router forwards it, too",
    initial: (portHolder === null || present !== HTTPS_PORT ? present : PROPOSED).toString(),
    problem: (value) => problemOf("originPort")(Number(value)),
  });
  return Number(answer);
}

/**
 * Makes sure that the token may set origin rules, which lead Cloudflare to another port than 443.
 * @throws CommandError if it may not
 */
export async function checkRulesPermission(
  dialogue: Dialogue,
  { token, apiUrl, patienceMs }: Pick<TriedToken, "token" | "apiUrl" | "patienceMs">,
  zone: Zone,
  port: number,
): Promise<void> {
  if (port === HTTPS_PORT) return;
  const { names, said } = await dialogue.during(
    "Checking the token's permission for origin rules",
    missingPermissions(apiUrl, token, zone, patienceMs, ORIGIN_RULES),
  );
  if (names.length === 0) return;
  throw new CommandError(
    `the token lacks: ${[...new Set(names)].join("; ")}, which port ${port.toString()} needs. Cloudflare says: ${said.join(", ")}. ` +
      "Edit the token (https://dash.cloudflare.com/profile/api-tokens), which stays the same, and run this again",
  );
}
