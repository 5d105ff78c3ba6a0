import { notificationProblem, Notifications } from "../components/notifications.ts";
import { userError } from "../settings/error.ts";
import { notificationsOf } from "../settings/notifications.ts";
import type { StackContext } from "./context.ts";
import type { ProtectedSite } from "./site.ts";
import type { After } from "./stages.ts";

/**
 * Makes sure that Cloudflare can tell before something of the stack ends, before anything changes. Asks nothing if nobody
 * is to be told.
 * @throws RunError if the account is not offered these notifications, or the token may not read them; one that may only
 * read them is refused at the end, when the site is done
 */
export async function requireNotifications({ settings, api }: StackContext): Promise<void> {
  const wanted = notificationsOf(settings);
  if (wanted.length === 0) return;
  const problem = await notificationProblem(await api.open(), settings.accountId, wanted).catch((error: unknown) => {
    const said = error instanceof Error ? error.message : String(error);
    return `the account's notifications cannot be read (${said}): run it again once Cloudflare's API answers`;
  });
  if (problem !== undefined) throw userError(`${problem}; nothing has been changed`);
}

/** Has Cloudflare tell by email before something of the stack ends, if the settings say whom. */
export function declareNotifications(
  { settings, cloudflare }: StackContext,
  { hostname, site }: ProtectedSite,
  after: After,
): void {
  const notifications = notificationsOf(settings);
  if (notifications.length === 0) return;
  const { accountId, notificationEmails: emails } = settings;
  const hooks = site.orphanCleanup.creation;
  new Notifications(
    "notifications",
    { accountId, hostname, emails, notifications, hooks },
    { ...cloudflare, ...after },
  );
}
