// cloudflare:index/zoneSetting:ZoneSetting
import { resource } from "../resource.ts";

const item = (zone: unknown, setting: unknown) => `zones/${String(zone)}/settings/${String(setting)}`;

export const zoneSetting = resource({
  fields: {
    zoneId: { type: "string", mode: "path", replaces: true },
    settingId: { type: "string", mode: "path", replaces: true },
    value: { type: "any", mode: "required", raw: true },
    enabled: { type: "boolean", mode: "kept" },
    editable: { type: "boolean", mode: "computed" },
    modifiedOn: { type: "string", mode: "computed", follows: true },
    timeRemaining: { type: "number", mode: "computed", follows: true },
  },
  id: ({ settingId }) => settingId as string,
  create: { method: "PATCH", path: ({ zoneId, settingId }) => item(zoneId, settingId) },
  item: ({ zoneId, settingId }) => item(zoneId, settingId),
  update: "create",
  // A setting always exists: it stays as it is when the resource goes.
  delete: "never",
  warning: "This setting cannot be deleted: it stays at Cloudflare as it is when the resource is destroyed.",
});
