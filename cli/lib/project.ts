// The project's settings as Pulumi.yaml declares them.
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

/**
 * The settings by key.
 *
 * @param folder the project's; default: the working directory
 */
export function declaredSettings(folder = "."): Readonly<Record<string, DeclaredSetting>> {
  const project = parse(readFileSync(join(folder, "Pulumi.yaml"), "utf8")) as {
    config?: Record<string, DeclaredSetting>;
  };
  return project.config ?? {};
}

/** The default settings as texts: lists and objects as JSON. */
export function defaultSettings(folder = "."): Record<string, string> {
  return Object.fromEntries(
    Object.entries(declaredSettings(folder)).flatMap(([key, { default: value }]): [string, string][] =>
      value === undefined ? [] : [[key, typeof value === "string" ? value : JSON.stringify(value)]],
    ),
  );
}
