// The questions about Cloudflare.
import type { ApiReader } from "../doctor/cloudflare/api.ts";
import type { IdentityProvider, Organization } from "../doctor/cloudflare/facts.ts";
import { CommandError } from "../lib/command.ts";
import type { Dialogue } from "./dialogue.ts";
import { readNamed } from "./options.ts";
import { type Before, problemOf } from "./settings.ts";
import { apiError, TOKEN_ADVICE } from "./token.ts";

/** Awaits a response of the API; a problem becomes a message for a person. */
export const lookUp = <T>(answer: Promise<T>): Promise<T> =>
  answer.catch((error: unknown) => {
    throw apiError(error);
  });

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
  name: string;
}

interface ListedZone {
  id: string;
  name: string;
  account: { id: string; name: string };
}

/** Asks for the zone, with its account, among those that the token can read. */
export async function askZone(dialogue: Dialogue, api: ApiReader, before: Before): Promise<Zone> {
  const zones = await dialogue.during("Looking for your zones", lookUp(api.all<ListedZone>("/zones")));
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
    zones.filter(({ account }) => account.id === accountId).map(({ id, name }) => ({ value: id, label: name })),
  );
  return { zoneId, accountId, name: zones.find(({ id }) => id === zoneId)?.name ?? "" };
}

/** Finds the domain of the account's Zero Trust team, which only the dashboard can create. */
export async function findTeam(api: ApiReader, accountId: string): Promise<string> {
  const organization = await api
    .one<Organization>(`/accounts/${accountId}/access/organizations`)
    .catch((error: unknown) => {
      const problem = apiError(error);
      if (!(problem instanceof CommandError)) throw problem;
      throw new CommandError(
        `the account has no Zero Trust team yet: open https://one.dash.cloudflare.com, choose a team name and the free plan, and run this again (${problem.message})`,
      );
    });
  return organization.auth_domain;
}

/** Asks how people log in: by identity providers of the account, or by a PIN that is added to it. */
export async function askLogin(
  dialogue: Dialogue,
  api: ApiReader,
  accountId: string,
  present: string | undefined,
  known: ReadonlySet<string>,
): Promise<string> {
  const providers = await lookUp(api.all<IdentityProvider>(`/accounts/${accountId}/access/identity_providers`));
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
