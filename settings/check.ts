import { crossProblems } from "./between.ts";
import { type SettingKey, settingFix, settingsSchema, settingType, type SettingsValues } from "./schema.ts";

/** Settings that passed every check, or all their problems. */
export type CheckResult = { values: SettingsValues; problems?: never } | { values?: never; problems: string[] };

/**
 * Checks a stack's configuration.
 *
 * @param texts values by key, without the project's namespace; lists and objects as JSON
 * @returns all problems, each followed by a line with the command that fixes it. The text never contains a secret.
 */
export function checkSettings(texts: Readonly<Record<string, string>>): CheckResult {
  const raw = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, parseValue(key, text)]));
  const result = settingsSchema.safeParse(raw);
  const between = crossProblems(raw).map(({ key, where = key, message }) => problemText(where, message, key));
  if (result.success && between.length === 0) return { values: result.data };
  return { problems: [...(result.error?.issues ?? []).flatMap(describe), ...between] };
}

const isSetting = (key: string): key is SettingKey => Object.hasOwn(settingsSchema.shape, key);

function parseValue(key: string, value: string): unknown {
  switch (isSetting(key) ? settingType(key) : "string") {
    case "array":
    case "object":
      try {
        return JSON.parse(value);
      } catch {
        return value;
      }
    case "integer":
      return /^-?\d+$/.test(value.trim()) ? Number(value) : value;
    case "boolean":
      return value === "true" ? true : value === "false" ? false : value;
    case "string":
      return value;
  }
}

/** Settings of earlier versions, and what has come in their place. */
const FORMER: Readonly<Record<string, string>> = {
  dockerPublishedPort:
    "is no longer a setting: the host now closes Immich's port however Docker publishes it; homeNetworks lets home in",
};

interface Issue {
  path: PropertyKey[];
  message: string;
  /** The unknown keys, if that is the issue. */
  keys?: string[];
}

function describe(issue: Issue): string[] {
  const [key = "", ...rest] = issue.path.map(String);
  if (!isSetting(key)) {
    return (issue.keys ?? []).map(
      (unknown) =>
        `  ${unknown} ${FORMER[unknown] ?? "is not a setting of this program"}\n    pulumi config rm ${unknown}`,
    );
  }
  return [problemText([key, ...rest].join("."), issue.message, key)];
}

const problemText = (where: string, message: string, key: SettingKey) =>
  `  ${where} ${message}\n    ${settingFix(key)}`;
