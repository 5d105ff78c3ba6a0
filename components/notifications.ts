import * as pulumi from "@pulumi/pulumi";
import { type Notification, notificationName } from "../settings/notifications.ts";
import * as cloudflare from "./cloudflare.ts";
import type { Account } from "./cloudflare-account.ts";

export interface NotificationsArgs {
  accountId: string;
  /** Host name of the main site, which the emails name. */
  hostname: string;
  /** Email addresses to which Cloudflare writes. */
  emails: readonly string[];
  /** What it writes about. */
  notifications: readonly Notification[];
  /** Hooks for the resources at Cloudflare. */
  hooks?: pulumi.ResourceHookBinding;
}

const TURN_OFF = "turn them off (`pulumi config rm notificationEmails`)";

/** What an account is not offered, and the way out. */
function notOffered(missing: readonly Notification[], left: readonly Notification[]): string {
  const what = missing.map((one) => one.what).join(" and ");
  const [other] = left;
  const keep = other
    ? `keep those about ${other.what} (\`pulumi config set notificationTypes ${other.kind}\`), or `
    : "";
  return `Cloudflare offers this account no notification about ${what}: ${keep}${TURN_OFF}`;
}

/** The refusal of a path of the notifications. */
const FORBIDDEN = /\/alerting\/[^ ]*: 403\b/;
/** 403 of a token that has ended, and of one that Cloudflare does not know everywhere yet: its permissions are not why. */
const NOT_AUTHENTICATED = /invalid access token|unable to authenticate/i;
/** The account is not entitled to the type of alert. */
const NOT_ENTITLED = /"code": ?17200\b/;

const FORBIDDEN_ADVICE =
  "the API token may not set notifications. Add the permission Account, Notifications, Edit to it (Read is not " +
  `enough; https://dash.cloudflare.com/profile/api-tokens), or ${TURN_OFF}; to remove some that exist needs it, too`;

/**
 * What to do about a refusal; `undefined` if it says enough by itself.
 * @param error the provider's, or the client's
 * @param wanted what was refused
 * @param others what else the stack wants
 */
export function notificationAdvice(
  error: string,
  wanted: readonly Notification[],
  others: readonly Notification[] = [],
): string | undefined {
  if (NOT_ENTITLED.test(error)) return notOffered(wanted, others);
  return FORBIDDEN.test(error) && !NOT_AUTHENTICATED.test(error) ? FORBIDDEN_ADVICE : undefined;
}

/**
 * What keeps an account from these notifications, with the remedy; `undefined` if nothing does.
 * @throws Error of the client if the API does not answer
 */
export async function notificationProblem(
  api: Account,
  accountId: string,
  wanted: readonly Notification[],
): Promise<string | undefined> {
  const path = `accounts/${accountId}/alerting/v3/available_alerts`;
  let listed: string;
  try {
    listed = JSON.stringify((await api.find<unknown>(path)) ?? null);
  } catch (error) {
    const advice = notificationAdvice(String(error), wanted);
    if (advice === undefined) throw error;
    return advice;
  }
  // Where the answer has another form, the creation decides.
  if (!listed.includes('"type":')) return undefined;
  const isOffered = ({ alertType }: Notification) => listed.includes(`"type":"${alertType}"`);
  const missing = wanted.filter((one) => !isOffered(one));
  return missing.length === 0 ? undefined : notOffered(missing, wanted.filter(isOffered));
}

/**
 * Cloudflare's notifications by email that something ends, one for each type. They are made last, because the site works
 * without them.
 */
export class Notifications extends pulumi.ComponentResource {
  public constructor(name: string, args: NotificationsArgs, opts?: pulumi.ComponentResourceOptions) {
    const { hooks = {}, ...inputs } = args;
    super("immich-access:index:Notifications", name, inputs, opts);
    const { accountId, hostname, emails, notifications } = args;
    for (const notification of notifications) {
      const others = notifications.filter((one) => one !== notification);
      const refused = new pulumi.ErrorHook(
        `${name}-${notification.alertType}-refused`,
        async ({ errors: [latest = ""] }) => {
          const advice = notificationAdvice(latest, [notification], others);
          if (advice !== undefined) await pulumi.log.error(`The site is done, but not its notifications: ${advice}.`);
          // Whether to try again is for others to say.
          return false;
        },
      );
      new cloudflare.NotificationPolicy(
        `${name}-${notification.alertType}`,
        {
          accountId,
          name: notificationName(hostname, notification),
          description: "`pulumi up` in the folder of immich-access renews it.",
          alertType: notification.alertType,
          enabled: true,
          mechanisms: { emails: emails.map((id) => ({ id })) },
        },
        {
          parent: this,
          hooks: { ...hooks, onError: [...(hooks.onError ?? []), refused] },
          // The other way round, what looks for orphans before a creation would take the former one for such.
          deleteBeforeReplace: true,
        },
      );
    }
    this.registerOutputs({});
  }
}
