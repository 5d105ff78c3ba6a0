// Cloudflare's emails before something of the stack ends.
import { notificationName, notificationsOf } from "../../../settings/notifications.ts";
import type { SettingsValues } from "../../../settings/schema.ts";
import { type Check, type Finding, failed, passed } from "../finding.ts";
import type { NotificationPolicy } from "./facts.ts";
import { REFRESH_UP } from "./zone.ts";

/** Check of the notifications; the finding if they cannot be read. */
export const NOTIFIED: Check = {
  id: "notifications",
  place: "cloudflare",
  title: "Emails before an end",
  why: "Cloudflare does not tell everyone in notificationEmails before a token or certificate ends.",
  fix: REFRESH_UP,
};

/** Whether each notification that the settings want is there, is on, and goes to their addresses and no others. */
export function notificationFindings(all: readonly NotificationPolicy[], settings: SettingsValues): Finding[] {
  const wanted = notificationsOf(settings);
  const problems = wanted.flatMap((one) => {
    const name = notificationName(settings.hostname, one);
    const found = all.filter((policy) => policy.name === name && policy.alert_type === one.alertType);
    const problem =
      found.length === 0 ? "is missing" : found.map((policy) => problemOf(policy, settings)).find(Boolean);
    return problem === undefined ? [] : [`"${name}" ${problem}`];
  });
  if (problems.length > 0) return [failed(NOTIFIED, problems.join(", "), NOTIFIED.fix, "warning")];
  const to = settings.notificationEmails.join(", ");
  return [passed(NOTIFIED, `${wanted.map(({ what }) => what).join(" and ")}, to ${to}`)];
}

function problemOf({ enabled, mechanisms }: NotificationPolicy, settings: SettingsValues): string | undefined {
  if (enabled === false) return "is turned off";
  const addresses = (mechanisms?.email ?? []).map(({ id = "" }) => id.toLowerCase());
  const wanted = settings.notificationEmails.map((email) => email.toLowerCase());
  const missing = wanted.filter((email) => !addresses.includes(email));
  if (missing.length > 0) return `does not go to ${missing.join(", ")}`;
  const more = addresses.filter((email) => !wanted.includes(email));
  return more.length > 0 ? `goes to ${more.join(", ")} as well` : undefined;
}
