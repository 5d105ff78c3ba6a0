// The project as Pulumi.yaml declares it: its name and its settings.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { SettingType } from "../../settings/schema.ts";

/** A setting as Pulumi.yaml declares it. */
export interface DeclaredSetting {
  type: SettingType;
  description: string;
  /** Absent if the stack must set it. */
  default?: unknown;
  secret?: boolean;
}

/** What is read here of Pulumi.yaml. */
interface Project {
  name: string;
  config?: Record<string, DeclaredSetting>;
}

/** Pulumi.yaml in a folder; default: the working directory. */
const readProject = (folder = "."): Project => parse(readFileSync(join(folder, "Pulumi.yaml"), "utf8")) as Project;

/**
 * The project's name, which `pulumi new` changes.
 *
 * @param folder the project's; default: the working directory
 */
export const projectName = (folder?: string): string => readProject(folder).name;

/** Prefix of each key of the program's settings in a stack's configuration; `folder` as for `projectName`. */
export const settingsPrefix = (folder?: string): string => `${projectName(folder)}:`;

/** The settings by key; `folder` as for `projectName`. Keys with a namespace, as `pulumi new` adds one, are not ours. */
export const declaredSettings = (folder?: string): Readonly<Record<string, DeclaredSetting>> =>
  Object.fromEntries(Object.entries(readProject(folder).config ?? {}).filter(([key]) => !key.includes(":")));

/** The default settings as texts: lists and objects as JSON. */
export function defaultSettings(folder?: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(declaredSettings(folder)).flatMap(([key, { default: value }]): [string, string][] =>
      value === undefined ? [] : [[key, typeof value === "string" ? value : JSON.stringify(value)]],
    ),
  );
}
