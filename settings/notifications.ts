// What Cloudflare can tell by email before it ends.

import { NOTIFICATION_TYPES, type SecretSetting, type SettingsValues } from "./schema.ts";
import { sitesOf } from "./topology.ts";

/** One kind of notification. */
export interface Notification {
  kind: Exclude<NotificationTypes, "all">;
  /** Cloudflare's type of the alert. It takes no filter, so it is about the whole account. */
  alertType:
    | "expiring_service_token_alert"
    | "hostname_aop_custom_certificate_expiration_type"
    | "zone_aop_custom_certificate_expiration_type";
  /** What ends, in words. */
  what: string;
}

/** By mode of the origin pulls; the shared certificate is Cloudflare's. */
const PULLS_ALERTS: Readonly<Record<string, Notification["alertType"] | undefined>> = {
  hostname: "hostname_aop_custom_certificate_expiration_type",
  zone: "zone_aop_custom_certificate_expiration_type",
};

/** The settings that say what ends. */
export interface Endings {
  tokenDuration: string;
  originPulls: string;
  /** Of all sites. */
  devices: readonly unknown[];
}

/** What of a stack ends at Cloudflare, of which it can tell. */
export function endings({ tokenDuration, originPulls, devices }: Endings): Notification[] {
  const alert = PULLS_ALERTS[originPulls];
  const found: Notification[] = [];
  if (tokenDuration !== "forever" && devices.length > 0) {
    found.push({ kind: "service-tokens", alertType: "expiring_service_token_alert", what: "service tokens" });
  }
  if (alert) found.push({ kind: "origin-pulls", alertType: alert, what: "origin-pull certificate" });
  return found;
}

/** A value of the setting `notificationTypes`. */
export type NotificationTypes = (typeof NOTIFICATION_TYPES)[number];

export const isNotificationTypes = (text: string): text is NotificationTypes =>
  (NOTIFICATION_TYPES as readonly string[]).includes(text);

/** Keeps what the setting names. */
export const selected = (all: readonly Notification[], types: NotificationTypes): Notification[] =>
  all.filter(({ kind }) => types === "all" || types === kind);

/** The notifications of a stack. */
export function notificationsOf(values: Omit<SettingsValues, SecretSetting>): Notification[] {
  if (values.notificationEmails.length === 0) return [];
  const devices = sitesOf(values).flatMap((site) => site.devices);
  return selected(endings({ ...values, devices }), values.notificationTypes);
}

/**
 * Name of a notification at Cloudflare.
 * @param hostname the main site's
 */
export const notificationName = (hostname: string, { what }: Notification): string => `Immich ${hostname}: ${what}`;
