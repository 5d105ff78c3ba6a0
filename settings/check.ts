import { crossProblems } from "./between.ts";
import { fixLine } from "./fixes.ts";
import { settingsSchema, type SettingsValues } from "./schema.ts";

/** How each key's text is to be read; every other key is a string. */
const KINDS: Readonly<Record<string, "json" | "integer" | "boolean">> = {
  originAddresses: "json",
  emails: "json",
  emailDomains: "json",
  devices: "json",
  moreSites: "json",
  moreHosts: "json",
  deviceRotations: "json",
  ipRanges: "json",
  sshPort: "integer",
  confirmSeconds: "integer",
  hostRevision: "integer",
  certificateValidityDays: "integer",
  anyServiceToken: "boolean",
  alwaysUseHttps: "boolean",
  originJwtCheck: "boolean",
};

/** Settings that passed every check, or all that is wrong with them. */
export type Checked = { values: SettingsValues; problems?: never } | { values?: never; problems: string[] };

/**
 * Checks a stack's configuration.
 *
 * @param texts values by key, without the project's namespace; lists and objects as JSON
 * @returns every problem at once, each with the command that fixes it on a line of its own. No value of a secret is
 *   ever part of the text.
 */
export function checkSettings(texts: Readonly<Record<string, string>>): Checked {
  const raw = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, parseValue(key, text)]));
  const result = settingsSchema.safeParse(raw);
  const between = crossProblems(raw).map(({ key, where = key, message }) => problemText(where, message, key));
  if (result.success && between.length === 0) return { values: result.data };
  return { problems: [...(result.error?.issues ?? []).flatMap(describe), ...between] };
}

function parseValue(key: string, value: string): unknown {
  switch (KINDS[key]) {
    case "json":
      try {
        return JSON.parse(value);
      } catch {
        return value;
      }
    case "integer":
      return /^-?\d+$/.test(value.trim()) ? Number(value) : value;
    case "boolean":
      return value === "true" ? true : value === "false" ? false : value;
    default:
      return value;
  }
}

interface Issue {
  code?: string;
  path: PropertyKey[];
  message: string;
  keys?: string[];
}

function describe(issue: Issue): string[] {
  if (issue.code === "unrecognized_keys" && issue.path.length === 0) {
    return (issue.keys ?? []).map((key) => `  ${key} is no setting of this program\n    pulumi config rm ${key}`);
  }
  const [key = "", ...rest] = issue.path.map(String);
  return [problemText([key, ...rest].join("."), issue.message, key)];
}

const problemText = (where: string, message: string, key: string) => `  ${where} ${message}\n    ${fixLine(key)}`;
