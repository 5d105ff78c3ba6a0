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

const TURN_OFF = "or turn them off (`pulumi config rm notificationEmails`)";

const NOT_ENTITLED =
  "Cloudflare offers this account no notification of this type. Choose the other one (`pulumi config set " +
  `notificationTypes service-tokens\` or \`origin-pulls\`), ${TURN_OFF}`;

/** What to do about a refusal of Cloudflare's. */
const ADVICE: readonly (readonly [error: RegExp, advice: string])[] = [
  [/"code": ?17200\b/, NOT_ENTITLED],
  [
    /\/alerting\/[^ ]*: 403\b/,
    "the API token may not set notifications. Add the permission Account, Notifications, Edit to it " +
      `(https://dash.cloudflare.com/profile/api-tokens), ${TURN_OFF}`,
  ],
];

/**
 * What to do about a refusal; `undefined` if it says enough by itself.
 * @param error the provider's, or the client's
 */
export const notificationAdvice = (error: string): string | undefined =>
  ADVICE.find(([pattern]) => pattern.test(error))?.[1];

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
    const advice = notificationAdvice(String(error));
    if (advice === undefined) throw error;
    return advice;
  }
  // Where the answer has another form, the creation decides.
  const isOffered = ({ alertType }: Notification) => listed.includes(`"type":"${alertType}"`);
  return !listed.includes('"type":') || wanted.every(isOffered) ? undefined : NOT_ENTITLED;
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
    const refused = new pulumi.ErrorHook(`${name}-refused`, async ({ errors: [latest = ""] }) => {
      const advice = notificationAdvice(latest);
      if (advice !== undefined) await pulumi.log.error(`The site is done, but not its notifications: ${advice}.`);
      // Whether to try again is for others to say.
      return false;
    });
    const own = {
      parent: this,
      hooks: { ...hooks, onError: [...(hooks.onError ?? []), refused] },
      // The other way round, what looks for orphans before a creation would take the former one for such.
      deleteBeforeReplace: true,
    };
    for (const notification of notifications) {
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
        own,
      );
    }
    this.registerOutputs({});
  }
}
