import { expect, it } from "vitest";
import type { NotificationPolicy } from "../../../cli/doctor/cloudflare/facts.ts";
import { notificationFindings } from "../../../cli/doctor/cloudflare/notifications.ts";
import { checkSettings } from "../../../settings/check.ts";
import { GOOD } from "../support/configuration.ts";

const { values } = checkSettings({ ...GOOD, notificationEmails: '["anna@example.com","Bert@example.com"]' });
if (!values) throw new Error("the settings are not good");
const settings = values;

const to = (...emails: string[]) => ({ email: emails.map((id) => ({ id })) });
const policy = (what: string, alert_type: string): NotificationPolicy => ({
  id: what,
  name: `Immich photos.example.com: ${what}`,
  alert_type,
  enabled: true,
  mechanisms: to("bert@example.com", "anna@example.com"),
});
const TOKENS = policy("service tokens", "expiring_service_token_alert");
const PULLS = policy("origin-pull certificate", "hostname_aop_custom_certificate_expiration_type");

it.each<[string, readonly NotificationPolicy[], "ok" | "warning", RegExp]>([
  ["are there", [TOKENS, PULLS], "ok", /^service tokens and origin-pull certificate, to anna@example\.com, Bert@/],
  ["are missing", [], "warning", /^"Immich photos\.example\.com: service tokens" is missing, "Immich .* is missing$/],
  ["are half missing", [PULLS], "warning", /^"Immich photos\.example\.com: service tokens" is missing$/],
  ["have another type", [{ ...TOKENS, alert_type: "dos_attack_l4" }, PULLS], "warning", /service tokens" is missing$/],
  ["are turned off", [{ ...TOKENS, enabled: false }, PULLS], "warning", /service tokens" is turned off$/],
  [
    "go to one of two",
    [TOKENS, { ...PULLS, mechanisms: to("anna@example.com") }],
    "warning",
    /certificate" does not go to bert@example\.com$/,
  ],
  ["go nowhere", [TOKENS, { ...PULLS, mechanisms: {} }], "warning", /does not go to anna@example\.com, bert@/],
  [
    "go to a stranger",
    [TOKENS, { ...PULLS, mechanisms: to("anna@example.com", "bert@example.com", "eve@example.com") }],
    "warning",
    /certificate" goes to eve@example\.com as well$/,
  ],
])("the notifications that %s", (_, all, status, says) => {
  expect(notificationFindings(all, settings)).toEqual([
    expect.objectContaining({ id: "notifications", status, says: expect.stringMatching(says) as string }),
  ]);
});
