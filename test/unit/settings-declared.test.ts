// A setting is declared in two places, for two readers: in Pulumi.yaml for the engine and for people, in
// settings/schema.ts for the program. Each test compares the two and names what has to be added or changed, and where.
import { join } from "node:path";
import { expect, it } from "vitest";
import type { z } from "zod";
import { declaredSettings } from "../../cli/lib/project.ts";
import { checkSettings } from "../../settings/check.ts";
import { SECRET_SETTINGS, type SettingKey, settingFix, settingsSchema, settingType } from "../../settings/schema.ts";
import { GOOD } from "./support/configuration.ts";

const project = join(import.meta.dirname, "../..");
const declared = declaredSettings(project);
const keys = Object.keys(settingsSchema.shape) as SettingKey[];

/** What `pulumi config set` gets for a setting: where to put it and the value; undefined if a person has to fill it in. */
function command(key: SettingKey): { at: string; value: string } | undefined {
  const [words = ""] = settingFix(key).split("   #");
  const [, path, name, value = ""] = /^pulumi config set (?:--path '(.+)'|(\w+)) (.+)$/.exec(words) ?? [];
  return /[<$]|--secret/.test(words)
    ? undefined
    : { at: path ?? name ?? "", value: value.replace(/^(["'])(.*)\1$/, "$2") };
}

/** What is wrong with the good configuration when one of its texts is another. */
const problemsWith = (key: string, text: string) => checkSettings({ ...GOOD, [key]: text }).problems ?? [];

it("Pulumi.yaml and settings/schema.ts have the same settings", () => {
  const missing = [
    ...keys.filter((key) => !(key in declared)).map((key) => `Pulumi.yaml lacks ${key}`),
    ...Object.keys(declared)
      .filter((key) => !(key in settingsSchema.shape))
      .map((key) => `settings/schema.ts lacks ${key}`),
  ];
  expect(missing).toEqual([]);
});

it("each setting has one type", () => {
  const types = Object.fromEntries(keys.map((key) => [key, settingType(key)]));
  expect(types).toEqual(Object.fromEntries(Object.entries(declared).map(([key, { type }]) => [key, type])));
});

it("a setting is declared secret exactly if it is one and has no default, for the engine wants no default of those", () => {
  const secret = Object.entries(declared).filter(([, setting]) => setting.secret);
  const required = SECRET_SETTINGS.filter((key) => declared[key]?.default === undefined);
  expect(secret.map(([key]) => key)).toEqual(required);
});

it("each setting has a description, and a default unless it is secret", () => {
  const lacking = Object.entries(declared).flatMap(([key, { description, secret, ...rest }]) => [
    ...(description ? [] : [`${key} lacks a description`]),
    ...(secret || rest.default !== undefined ? [] : [`${key} lacks a default`]),
  ]);
  expect(lacking).toEqual([]);
});

it("a default passes the check, unless it is empty and the setting is one that a stack has to set", () => {
  const isEmpty = (value: unknown) => value === "" || (Array.isArray(value) && value.length === 0);
  const refused = keys.flatMap((key) => {
    const { default: value } = declared[key] ?? {};
    if (value === undefined || isEmpty(value)) return [];
    const { error } = settingsSchema.shape[key].safeParse(value);
    return error ? [`${key}: ${JSON.stringify(value)} ${error.issues[0]?.message ?? ""}`] : [];
  });
  expect(refused).toEqual([]);
});

it("each setting has a fix that names it", () => {
  const named = (key: string) => new RegExp(`^pulumi config set (--secret |--path ')?${key}\\b`);
  const lacking = keys.filter((key) => settingsSchema.shape[key].meta()?.fix === undefined);
  expect(lacking.map((key) => `${key} lacks a fix: .meta({ fix })`)).toEqual([]);
  expect(keys.filter((key) => !named(key).test(settingFix(key)))).toEqual([]);
});

it("a fix without a placeholder sets a value that passes the check", () => {
  const typed = keys.flatMap((key) => command(key) ?? []);
  expect(typed.length).toBeGreaterThan(20);
  const refused = typed
    // An entry of one of these needs more than one command.
    .filter(({ at }) => !/^more(Sites|Hosts)/.test(at))
    // It takes the place of the addresses, as the problem says.
    .filter(({ at }) => at !== "originName")
    .flatMap(({ at, value }) =>
      problemsWith(at.replace("[0]", ""), at.endsWith("[0]") ? JSON.stringify([value]) : value),
    );
  expect(refused).toEqual([]);
});

it.each(["moreSites", "moreHosts"] as const)(
  "%s: the description lists its settings, and the defaults are the main site's or host's",
  (key) => {
    const { description = "", default: none } = declared[key] ?? {};
    expect(none).toEqual([]);
    for (const [name, schema] of Object.entries<z.ZodType>(settingsSchema.shape[key].element.shape)) {
      expect(description).toContain(`\`${name}\``);
      const given = schema.safeParse(undefined);
      if (given.success) expect({ [name]: given.data }).toEqual({ [name]: schema.parse(declared[name]?.default) });
    }
  },
);
