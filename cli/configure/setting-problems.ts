import { type SettingKey, settingsSchema } from "../../settings/schema.ts";

/** The problem with a setting's value, without the setting's name; `undefined` if there is none. */
export const problemOf =
  (key: SettingKey) =>
  (value: unknown): string | undefined =>
    settingsSchema.shape[key].safeParse(value).error?.issues[0]?.message;

/** The same for one entry of a list. */
export const problemOfEntry = (key: SettingKey) => (value: string) => problemOf(key)([value]);

/** The value of a setting before this run; `undefined` if it is not set. */
export type Before = (key: SettingKey) => string | undefined;
