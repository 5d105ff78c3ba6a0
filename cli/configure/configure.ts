import { checkSettings } from "../../settings/check.ts";
import { isAddressType } from "../../components/dns-record-types.ts";
import { targetOf } from "../../components/dns-records.ts";
import { asciiHostname, unreachableReason } from "../../settings/network.ts";
import { isNotificationTypes } from "../../settings/notifications.ts";
import { SECRET_SETTINGS, type SettingKey } from "../../settings/schema.ts";
import { HTTPS_PORT } from "../../settings/topology.ts";
import { apiReader } from "../doctor/cloudflare/api.ts";
import { CommandError } from "../lib/command.ts";
import { lookUpAt, parseResolver } from "../lib/public-name.ts";
import { defaultSettings } from "../lib/project.ts";
import type { Adoption } from "./adopt.ts";
import { askAdoption } from "./adoption.ts";
import { readList, RECORD } from "./answers.ts";
import { askLogin, askToken, askZone, checkToken, hasAutomaticMode, TOKEN_FLAGS } from "./cloudflare.ts";
import type { Dialogue } from "./dialogue.ts";
import type { Record } from "./existing.ts";
import { hostTasks, type Survey } from "./host.ts";
import { askNotifications } from "./notifications.ts";
import { checkNames, furtherNames, hostnameProblem } from "./names.ts";
import { askOrigin } from "./origin.ts";
import { askOpenings, openingTasks } from "./openings.ts";
import { rivalTasks } from "./rivals.ts";
import { checkRulesPermission } from "./origin-port.ts";
import { problemOf, problemOfEntry } from "./setting-problems.ts";
import { askHost, SSH_FLAGS } from "./ssh.ts";
import { JUMP_FLAG } from "./ssh-jump.ts";
import type { Texts } from "./stack.ts";
import { PATIENCE_MS } from "./token.ts";

/** The result of the questions. */
export interface Configured {
  plain: Texts;
  secret: Texts;
  /** Settings that have to go. */
  removed: readonly SettingKey[];
  /** What to import into the stack; `undefined` if nothing. */
  adoption: Adoption | undefined;
  /** Tasks for the user before `pulumi up`. */
  tasks: string[];
}

/** The parts of an entry of `moreSites` or `moreHosts` that are read here. */
interface Further {
  immichUpstream?: string;
  originAddresses?: readonly string[];
  devices?: readonly string[];
}

/**
 * Asks for all settings and tries them. Changes nothing.
 *
 * @param present the stack's settings
 * @param known ids of the stack's resources
 * @throws CommandError about the first answer that is wrong, or about all problems between the settings
 */
export async function configure(dialogue: Dialogue, present: Texts, known: ReadonlySet<string>): Promise<Configured> {
  const before = (key: SettingKey) => present[key] || undefined;
  const beforeList = (key: SettingKey) => JSON.parse(before(key) ?? "[]") as string[];
  // Further sites and hosts are edited in the stack's file and stay unchanged here.
  const further = (key: "moreSites" | "moreHosts") => JSON.parse(before(key) ?? "[]") as Further[];
  const apiUrl = dialogue.flag("api-url") ?? before("apiUrl") ?? "https://api.cloudflare.com/client/v4";
  const refusal = problemOf("apiUrl")(apiUrl);
  if (refusal !== undefined) throw new CommandError(`--api-url ${apiUrl}: ${refusal}`);

  const { api, apiToken, zone, teamDomain } = await dialogue.until(TOKEN_FLAGS, async () => {
    const apiToken = await askToken(dialogue, before("apiToken"));
    const api = apiReader(apiUrl, apiToken, PATIENCE_MS);
    const zone = await askZone(dialogue, api, before);
    const teamDomain = await checkToken(dialogue, { token: apiToken, apiUrl, api, patienceMs: PATIENCE_MS }, zone);
    return { api, apiToken, zone, teamDomain };
  });
  dialogue.say(`The token has all needed permissions in ${zone.name}.`);

  const answered = await dialogue.text({
    flag: "hostname",
    message: `Host name of the site, ${zone.name} or one level under it`,
    initial: before("hostname") ?? `photos.${zone.name}`,
    problem: hostnameProblem(zone.name),
  });
  const hostname = asciiHostname(answered);
  const names = [{ setting: "hostname", hostname }, ...furtherNames(present)];
  checkNames(dialogue, zone.name, names);

  const { connection, survey } = await dialogue.until(SSH_FLAGS, () => askHost(dialogue, before, hostname));
  const tried = { token: apiToken, apiUrl, patienceMs: PATIENCE_MS };
  await checkRulesPermission(dialogue, tried, zone, survey.originPort);
  dialogue.say(
    `SSH and sudo work. Immich ${survey.immich[0] === undefined ? "was not found" : `answers on ${survey.immich[0]}`}.`,
  );
  const immichUpstream = await dialogue.text({
    flag: "immich",
    message: "Address of Immich as the host reaches it, address:port",
    initial: proposedUpstream(survey, before("immichUpstream"), further("moreSites")),
    problem: problemOf("immichUpstream"),
  });

  const openings = await askOpenings(dialogue, survey, beforeList("keepOpen"));

  const listed = await readList(api, `/zones/${zone.zoneId}/dns_records?name=${hostname}`, RECORD);
  const records = listed.filter(({ id }) => !known.has(id));
  const { originAddresses, originName } = await askOrigin(dialogue, {
    addresses: proposedAddresses(beforeList("originAddresses"), survey, records, connection.sshAddress),
    name: before("originName"),
    survey,
    sshAddress: connection.sshAddress,
    zoneName: zone.name,
    sites: names.map((named) => named.hostname),
    hosts: 1 + further("moreHosts").length,
    lookUp: lookUpAt(parseResolver(dialogue.flag("resolver"))),
  });
  const homeNetworks = await dialogue.list({
    flag: "home-network",
    message: homeQuestion(survey),
    initial: beforeList("homeNetworks"),
    problem: problemOfEntry("homeNetworks"),
  });
  const emails = await dialogue.list({
    flag: "email",
    message: "Email addresses of the people who may log in, separated by commas",
    initial: beforeList("emails"),
    problem: problemOfEntry("emails"),
  });
  const devices = await dialogue.list({
    flag: "device",
    message: "Names of the phones and programs that get a token, separated by commas",
    initial: beforeList("devices"),
    problem: problemOfEntry("devices"),
  });
  const notificationTypes = before("notificationTypes") ?? "";
  const notifications = await askNotifications(dialogue, { ...tried, api }, zone, {
    emails: beforeList("notificationEmails"),
    types: isNotificationTypes(notificationTypes) ? notificationTypes : "all",
    people: emails,
    tokenDuration: before("tokenDuration") ?? "",
    originPulls: before("originPulls") ?? "hostname",
    devices: [...devices, ...further("moreSites").flatMap((site) => site.devices ?? [])],
  });
  const sessionDuration = await dialogue.text({
    flag: "session",
    message: "How long people stay logged in: 720h is 30 days, and Cloudflare allows 730h at most",
    initial: proposedSession(before("sessionDuration"), known),
    problem: problemOf("sessionDuration"),
  });
  const loginProvider = await askLogin(dialogue, api, zone.accountId, before("loginProvider"), known);

  const { sshAgent, sshPrivateKey, sshPrivateKeyPassphrase } = connection;
  const automaticMode = String(await hasAutomaticMode(api, zone.zoneId));
  const plain: Texts = {
    hostname,
    zoneId: zone.zoneId,
    accountId: zone.accountId,
    apiUrl,
    originAddresses: JSON.stringify(originAddresses),
    ...((originName !== "" || before("originName") !== undefined) && { originName }),
    sshAddress: connection.sshAddress,
    sshPort: connection.sshPort.toString(),
    sshUser: connection.sshUser,
    sshHostKey: connection.sshHostKey,
    ...(dialogue.flag(JUMP_FLAG) !== undefined && { sshJump: JSON.stringify(connection.sshJump ?? {}) }),
    ...(sshAgent.toString() !== (before("sshAgent") ?? "false") && { sshAgent: sshAgent.toString() }),
    immichUpstream,
    ...(survey.originPort.toString() !== (before("originPort") ?? HTTPS_PORT.toString()) && {
      originPort: survey.originPort.toString(),
    }),
    homeNetworks: JSON.stringify(homeNetworks),
    ...openings,
    emails: JSON.stringify(emails),
    devices: JSON.stringify(devices),
    ...notifications,
    sessionDuration,
    loginProvider,
    teamDomain,
    ...(automaticMode !== (before("sslAutomaticMode") ?? "true") && { sslAutomaticMode: automaticMode }),
  };
  const secrets = { apiToken, sshPrivateKey, sshPrivateKeyPassphrase };
  const secret: Texts = Object.fromEntries(Object.entries(secrets).filter(([, value]) => value !== ""));
  const removed = SECRET_SETTINGS.filter((key) => before(key) !== undefined && !(key in secret));
  const { problems } = checkSettings({ ...present, ...plain, ...secrets });
  if (problems) throw new CommandError(`the settings are not valid; nothing has been written:\n${problems.join("\n")}`);

  // Each host's addresses have records under the name.
  const addresses = [...originAddresses, ...further("moreHosts").flatMap((host) => host.originAddresses ?? [])];
  const existing = await askAdoption(
    dialogue,
    api,
    { hostname, ...zone },
    {
      records,
      target: targetOf(originName, addresses),
      known,
    },
  );
  const rivals = await rivalTasks(
    { api, once: apiReader(apiUrl, apiToken) },
    zone.zoneId,
    names.map((named) => named.hostname),
  );
  return {
    plain: changed(plain, present),
    secret: changed(secret, present),
    removed,
    adoption: existing.adoption,
    tasks: [
      ...hostTasks(survey, hostname),
      ...openingTasks(survey, { ...present, ...openings }),
      ...existing.tasks,
      ...rivals,
    ],
  };
}

/** The question for the home networks, which offers those that the host is in. */
function homeQuestion({ networks }: Survey): string {
  const offered = networks.length === 0 ? "" : `; the host is in ${networks.join(" and ")}`;
  return `Home networks that reach Immich past Cloudflare and its limit of 100 MB, separated by commas, or none${offered}`;
}

const changed = (texts: Texts, present: Texts): Texts =>
  Object.fromEntries(Object.entries(texts).filter(([key, value]) => present[key] !== value));

/**
 * Proposes the main site's Immich: the current one if it answers, else one that was found and is not another
 * site's.
 */
export function proposedUpstream(
  { immich }: Pick<Survey, "immich">,
  present: string | undefined,
  others: readonly Further[],
): string | undefined {
  if (present !== undefined && immich.includes(present)) return present;
  return immich.find((endpoint) => !others.some((site) => site.immichUpstream === endpoint)) ?? present;
}

/** Proposes how long a login lasts: 30 days for people at home, unless a stack is deployed or another time is set. */
const proposedSession = (present: string | undefined, known: ReadonlySet<string>): string | undefined =>
  known.size === 0 && present === defaultSettings()["sessionDuration"] ? "720h" : present;

/** Proposes the addresses that are set; else the host's own, those of existing records, and the one that SSH uses. */
function proposedAddresses(
  present: readonly string[],
  { addresses }: Survey,
  records: readonly Record[],
  sshAddress: string,
): readonly string[] {
  const inRecords = records.filter(({ type }) => isAddressType(type)).map(({ content }) => content);
  const usable = (list: readonly string[]) => list.filter((address) => unreachableReason(address) === undefined);
  return [present, usable(addresses), usable(inRecords), usable([sshAddress])].find(({ length }) => length > 0) ?? [];
}
