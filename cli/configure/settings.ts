import { type SettingKey, settingsSchema } from "../../settings/schema.ts";

/** What is wrong with a setting's value, without the setting's name; `undefined` if nothing is. */
export const problemOf =
  (key: SettingKey) =>
  (value: unknown): string | undefined =>
    settingsSchema.shape[key].safeParse(value).error?.issues[0]?.message;

/** The same for one entry of a list. */
export const problemOfEntry = (key: SettingKey) => (value: string) => problemOf(key)([value]);

/** What a setting is before this run; `undefined` where it is not set. */
export type Before = (key: SettingKey) => string | undefined;
