// The questions about Cloudflare.
import { domainToUnicode } from "node:url";
import type { z } from "zod";
import { asciiHostname } from "../../settings/network.ts";
import { ApiProblem, type ApiReader, isAbsent, isWithoutTeam, unexpectedForm } from "../doctor/cloudflare/api.ts";
import type { Organization } from "../doctor/cloudflare/facts.ts";
import { zoneProblem } from "../doctor/cloudflare/readiness.ts";
import { AUTOMATIC_MODE } from "../doctor/cloudflare/zone.ts";
import { CommandError } from "../lib/command.ts";
import { PROVIDER, readList, ZONE } from "./answers.ts";
import type { Dialogue } from "./dialogue.ts";
import { readNamed } from "./options.ts";
import { type Before, problemOf } from "./setting-problems.ts";
import { apiError, missingPermissions, NoTeam, TOKEN_ADVICE } from "./token.ts";

/** The flags for the token and the zone; `api-token` is the environment's CLOUDFLARE_API_TOKEN. */
export const TOKEN_FLAGS = ["api-token-file", "api-token", "account", "zone"];

/** Advice on making a token; on a terminal the next question gives it. */
export const tokenAdvice = ({ interactive }: Dialogue) => (interactive ? "" : `\n${TOKEN_ADVICE}`);

/** The API token: from a file, the environment or a prompt, never from the command line. */
export async function askToken(dialogue: Dialogue, present: string | undefined): Promise<string> {
  const file = dialogue.flag("api-token-file");
  const given = file === undefined ? dialogue.flag("api-token") : readNamed(file).trim();
  if (given !== undefined) {
    const problem = problemOf("apiToken")(given);
    if (problem !== undefined) throw new CommandError(`the API token ${problem}`);
    return given;
  }
  if (!dialogue.interactive) {
    if (present !== undefined) return present;
    throw new CommandError(`--api-token-file or CLOUDFLARE_API_TOKEN is missing. ${TOKEN_ADVICE}`);
  }
  const KEEP = "keep";
  const choices = [
    ...(present === undefined ? [] : [{ value: KEEP, label: "the current one" }]),
    { value: "new", label: "another one" },
  ];
  if ((await dialogue.choose({ flag: "token-choice", message: "Cloudflare API token" }, choices)) === KEEP && present) {
    return present;
  }
  dialogue.warn(TOKEN_ADVICE);
  return dialogue.secret("Cloudflare API token (hidden)", problemOf("apiToken"));
}

/** A zone with its account. */
export interface Zone {
  zoneId: string;
  accountId: string;
  /** In ASCII. */
  name: string;
}

/**
 * Asks for the zone, with its account, among those that the token can read.
 *
 * @throws CommandError if the zone cannot serve a site, with the way out
 */
export async function askZone(dialogue: Dialogue, api: ApiReader, before: Before): Promise<Zone> {
  const zones = await dialogue.during("Looking for your zones", readList(api, "/zones", ZONE));
  if (zones.length === 0) {
    throw new CommandError(`the token can read no zone: it lacks Zone, Zone, Read${tokenAdvice(dialogue)}`);
  }
  const accounts = new Map(zones.map(({ account }) => [account.id, account.name]));
  const accountId = await dialogue.choose(
    { flag: "account", message: "Cloudflare account", initial: before("accountId") },
    [...accounts].map(([value, label]) => ({ value, label })),
  );
  const zoneId = await dialogue.choose(
    { flag: "zone", message: "Zone of the site's host name", initial: before("zoneId") },
    zones.filter(({ account }) => account.id === accountId).map(zoneChoice),
  );
  const zone = zones.find(({ id }) => id === zoneId);
  const found = zone && zoneProblem(zone);
  if (found) throw new CommandError(`the zone ${zone.name} ${found.problem}. The way out: ${found.remedy}`);
  return { zoneId, accountId, name: asciiHostname(zone?.name ?? "") };
}

/** A zone to choose; an international name can be written in both ways, however Cloudflare lists it. */
const zoneChoice = ({ id, name, status }: z.output<typeof ZONE>) => ({
  value: id,
  label: name,
  aliases: [asciiHostname(name), domainToUnicode(asciiHostname(name))],
  ...(status !== undefined && status !== "active" && { hint: status }),
});

/** A token to try, and how. */
export interface TriedToken {
  token: string;
  apiUrl: string;
  /** Reads the API with the token. */
  api: ApiReader;
  /** Milliseconds for which a refusal is not believed. */
  patienceMs: number;
}

/**
 * Tries the token, and finds the domain of the account's Zero Trust team, which only the dashboard can create.
 *
 * @throws CommandError about the team before the permissions, because without a team Cloudflare refuses them too
 */
export async function checkToken(
  dialogue: Dialogue,
  { token, apiUrl, api, patienceMs }: TriedToken,
  zone: Zone,
): Promise<string> {
  const [team, lacking] = await dialogue.during(
    "Checking the token's permissions",
    Promise.allSettled([findTeam(api, zone.accountId), missingPermissions(apiUrl, token, zone, patienceMs)]),
  );
  const problems = [team, lacking].flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  const noTeam = problems.find((problem) => problem instanceof NoTeam);
  if (noTeam) throw noTeam;
  if (lacking.status === "fulfilled" && lacking.value.names.length > 0) {
    const { names, said } = lacking.value;
    const words = said.length === 0 ? "" : `. Cloudflare says: ${said.join(", ")}`;
    throw new CommandError(`the token lacks: ${names.join("; ")}${words}${tokenAdvice(dialogue)}`);
  }
  if (team.status === "rejected" || lacking.status === "rejected") throw problems[0];
  return team.value;
}

async function findTeam(api: ApiReader, accountId: string): Promise<string> {
  const path = `/accounts/${accountId}/access/organizations`;
  try {
    const { auth_domain: domain } = await api.one<Partial<Organization>>(path);
    if (typeof domain !== "string") throw unexpectedForm(path);
    return domain;
  } catch (error) {
    const isMissing = error instanceof ApiProblem && (error.status === 404 || isWithoutTeam(error));
    throw isMissing ? new NoTeam(error.errors) : apiError(error);
  }
}

/** Whether a zone has Automatic SSL/TLS. One that Cloudflare has not migrated yet does not know the setting. */
export async function hasAutomaticMode(api: ApiReader, zoneId: string): Promise<boolean> {
  try {
    await api.one(`/zones/${zoneId}/settings/${AUTOMATIC_MODE}`);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw apiError(error);
  }
}

/** Asks how people log in: by identity providers of the account, or by a PIN that is added to it. */
export async function askLogin(
  dialogue: Dialogue,
  api: ApiReader,
  accountId: string,
  present: string | undefined,
  known: ReadonlySet<string>,
): Promise<string> {
  const providers = await readList(api, `/accounts/${accountId}/access/identity_providers`, PROVIDER);
  const others = providers.filter(({ id }) => !known.has(id));
  const pin = others.find(({ type }) => type === "onetimepin");
  const choices = [
    // An account can have only one.
    ...(pin ? [] : [{ value: "create", label: "a one-time PIN by email, which is added to the account" }]),
    ...others.map(({ id, name, type }) => ({ value: id, label: name, hint: type })),
    { value: "account", label: "every login of the account" },
  ];
  const kept = choices.some(({ value }) => value === present) ? present : undefined;
  return dialogue.choose(
    { flag: "login", message: "How people log in", initial: kept ?? pin?.id ?? "create" },
    choices,
  );
}
