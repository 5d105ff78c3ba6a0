// The question about Cloudflare's emails before something ends, and what they need.
import { z } from "zod";
import {
  type Endings,
  endings,
  type Notification,
  type NotificationTypes,
  selected,
} from "../../settings/notifications.ts";
import { unexpectedForm } from "../doctor/cloudflare/api.ts";
import { CommandError } from "../lib/command.ts";
import type { TriedToken, Zone } from "./cloudflare.ts";
import type { Dialogue } from "./dialogue.ts";
import { problemOfEntry } from "./setting-problems.ts";
import type { Texts } from "./stack.ts";
import { apiError, missingPermissions, NOTIFICATIONS } from "./token.ts";

const FLAG = "notify";

/** The types that an account is entitled to, by product: GET /accounts/{account}/alerting/v3/available_alerts. */
const AVAILABLE = z.record(z.string(), z.array(z.looseObject({ type: z.string() })));

/** The settings that the question is about. */
export interface PresentNotifications extends Endings {
  /** `notificationEmails` before this run. */
  emails: readonly string[];
  /** `notificationTypes` before this run. */
  types: NotificationTypes;
  /** The people who may log in; the first is proposed. */
  people: readonly string[];
}

/**
 * Asks whom Cloudflare is to tell before something ends. Nobody, unless a flag or an answer says so.
 *
 * @returns the settings that have changed
 * @throws CommandError if the token may not set notifications, or the account may not have them
 */
export function askNotifications(
  dialogue: Dialogue,
  tried: TriedToken,
  zone: Zone,
  present: PresentNotifications,
): Promise<Texts> {
  const ends = endings(present);
  return dialogue.until([FLAG], async () => {
    const emails = await askEmails(dialogue, ends, present);
    if (emails.length === 0) {
      return present.emails.length === 0 ? {} : { notificationEmails: "[]", notificationTypes: "all" };
    }
    await checkPermission(dialogue, tried, zone);
    const types = await possibleTypes(dialogue, tried, zone, selected(ends, present.types), present.types);
    return {
      notificationEmails: JSON.stringify(emails),
      ...(types !== present.types && { notificationTypes: types }),
    };
  });
}

async function askEmails(
  dialogue: Dialogue,
  ends: readonly Notification[],
  { emails, people }: PresentNotifications,
): Promise<string[]> {
  const problem = problemOfEntry("notificationEmails");
  const given = dialogue.texts(FLAG, problem);
  if (given !== undefined || !dialogue.interactive) return given ?? [...emails];
  const what = ends.map((one) => one.what).join(" and ");
  const wants =
    emails.length > 0 ||
    (ends.length > 0 &&
      (await dialogue.confirm(
        `Shall Cloudflare send an email before something ends (${what})? The token then needs ${NAME}`,
        false,
      )));
  if (!wants) return [];
  return dialogue.list({
    flag: FLAG,
    message: "Email addresses for that, separated by commas, or none",
    initial: emails.length > 0 ? emails : people.slice(0, 1),
    problem,
  });
}

const [{ name: NAME }] = NOTIFICATIONS;

async function checkPermission(dialogue: Dialogue, { token, apiUrl, patienceMs }: TriedToken, zone: Zone) {
  const { names, said } = await dialogue.during(
    "Checking the token's permission for notifications",
    missingPermissions(apiUrl, token, zone, patienceMs, NOTIFICATIONS),
  );
  if (names.length === 0) return;
  throw new CommandError(
    `the token lacks: ${NAME}, which emails from Cloudflare need. Cloudflare says: ${said.join(", ")}. ` +
      "Edit the token (https://dash.cloudflare.com/profile/api-tokens), which stays the same, and run this again",
  );
}

/** The types that the account can have, as the setting names them. */
async function possibleTypes(
  dialogue: Dialogue,
  { api }: TriedToken,
  { accountId }: Zone,
  wanted: readonly Notification[],
  present: NotificationTypes,
): Promise<NotificationTypes> {
  const path = `/accounts/${accountId}/alerting/v3/available_alerts`;
  const answer = await api.one(path).catch((error: unknown) => {
    throw apiError(error);
  });
  const { data } = AVAILABLE.safeParse(answer);
  if (!data) throw apiError(unexpectedForm(path));
  const available = new Set(Object.values(data).flatMap((alerts) => alerts.map(({ type }) => type)));
  const missing = wanted.filter(({ alertType }) => !available.has(alertType));
  const [possible, ...more] = wanted.filter((one) => !missing.includes(one));
  if (missing.length === 0) return present;
  const which = missing.map(({ what }) => what).join(" and ");
  if (!possible || more.length > 0) {
    throw new CommandError(`Cloudflare offers this account no notification about ${which}: leave its emails out`);
  }
  dialogue.warn(`Cloudflare offers this account no notification about ${which}. It writes about the rest.`);
  return possible.kind;
}
