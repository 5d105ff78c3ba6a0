// The question where Cloudflare finds the host: at addresses, or at a name that follows a moving one.
import { isIP } from "node:net";
import { CGNAT, contains, isLoopback, unreachableReason } from "../../settings/network.ts";
import { CGNAT_REMEDY } from "../doctor/origin-name.ts";
import { CommandError } from "../lib/command.ts";
import { isElsewhereOnCloudflare, type LookUp } from "../lib/public-name.ts";
import type { Dialogue } from "./dialogue.ts";
import type { Survey } from "./host.ts";
import { problemOf, problemOfEntry } from "./setting-problems.ts";

/** What is known before the question. */
export interface OriginFacts {
  /** The proposed addresses: those that are set, or were found. */
  addresses: readonly string[];
  /** The name that is set; `undefined` if none is. */
  name: string | undefined;
  survey: Pick<Survey, "addresses">;
  sshAddress: string;
  zoneName: string;
  /** The stack's own host names. */
  sites: readonly string[];
  /** How many hosts the stack has. */
  hosts: number;
  lookUp: LookUp;
}

/** The two settings, of which one is empty. */
export interface Origin {
  originAddresses: string[];
  originName: string;
}

/**
 * Whether the host is likely to be at a home: all its own IPv4 addresses are private, or, where it has none, SSH goes to
 * a private one. A server elsewhere has its public address on an interface.
 */
export function looksLikeHome({ survey, sshAddress }: Pick<OriginFacts, "survey" | "sshAddress">): boolean {
  const own = survey.addresses.filter((address) => isIP(address) === 4);
  // The host's own loopback address says nothing about where it is.
  const known = own.length > 0 || isIP(sshAddress) === 0 || isLoopback(sshAddress) ? own : [sshAddress];
  return known.length > 0 && known.every((address) => unreachableReason(address) !== undefined);
}

/**
 * Asks for the addresses, or for the name where the address changes. Offered where the host looks like a home's.
 *
 * @throws CommandError about the wrong answer, or about an address to which no port can be forwarded
 */
export async function askOrigin(dialogue: Dialogue, facts: OriginFacts): Promise<Origin> {
  const given = dialogue.flag("origin-name");
  const isHome = looksLikeHome(facts);
  if (isHome) dialogue.say("The host has private addresses only, as at home behind a router.");
  const hasMoved =
    given !== undefined || (facts.name !== undefined && dialogue.texts("address", () => undefined) === undefined);
  const offered = facts.hosts === 1 && (isHome || facts.name !== undefined);
  const byName =
    given !== undefined ||
    (dialogue.interactive && offered
      ? await dialogue.confirm("Does its public address change from time to time?", isHome || hasMoved)
      : hasMoved);
  if (byName) return dialogue.until(["origin-name"], () => askName(dialogue, facts));
  const originAddresses = await dialogue.list({
    flag: "address",
    message: "Public addresses of the host, IPv4 and IPv6, separated by commas",
    initial: facts.addresses,
    problem: problemOfEntry("originAddresses"),
  });
  return { originAddresses, originName: "" };
}

async function askName(dialogue: Dialogue, facts: OriginFacts): Promise<Origin> {
  const { zoneName, sites, lookUp } = facts;
  const name = await dialogue.text({
    flag: "origin-name",
    message: "Name that the router's, the NAS's or another DDNS client keeps up to date",
    initial: facts.name,
    problem: (value) => problemOf("originName")(value) ?? siteProblem(value, sites),
  });
  const found = await dialogue.during("Looking up the name", lookUp(name));
  const { addresses = [] } = found;
  if (addresses.length === 0) {
    throw new CommandError(`${name} does not resolve: set up the DDNS client first, or correct the name`);
  }
  const shared = addresses.find((address) => contains(CGNAT, address));
  if (shared !== undefined) throw new CommandError(`${name} leads to ${shared}: ${CGNAT_REMEDY}`);
  const unreachable = addresses.filter((address) => unreachableReason(address) !== undefined);
  if (unreachable.length === addresses.length) {
    dialogue.warn(
      `${name} leads to ${unreachable.join(", ")} from here, where Cloudflare cannot reach it. A router may answer so for ` +
        "its own network; --resolver 1.1.1.1 asks elsewhere.",
    );
  }
  if (isElsewhereOnCloudflare(name, found, zoneName)) {
    dialogue.warn(
      `The zone of ${name} is on Cloudflare. If it is another account's, visitors get error 1014: take a name of a DDNS ` +
        "service that is not on Cloudflare, or of your own zone.",
    );
  } else if (name.endsWith(`.${zoneName}`)) {
    dialogue.warn(`${name} is in your own zone. Its record must not be proxied, so it shows your home's address.`);
  }
  dialogue.say(`${name} leads to ${addresses.join(", ")}.`);
  return { originAddresses: [], originName: name };
}

function siteProblem(name: string, sites: readonly string[]): string | undefined {
  const site = sites.find((one) => name === one || name.endsWith(`.${one}`));
  return site && `is ${site} itself, or lies under it`;
}
