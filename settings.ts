import * as pulumi from "@pulumi/pulumi";
import { crossProblems, settingsSchema, type SettingsValues } from "./settings/schema.ts";
import { userError } from "./settings/error.ts";
import { fixLine } from "./settings/fixes.ts";

/** The settings of a stack; secrets are outputs, so that Pulumi keeps them encrypted wherever they go. */
export interface Settings extends Omit<SettingsValues, "apiToken" | "sshPrivateKey"> {
  apiToken: pulumi.Output<string>;
  sshPrivateKey: pulumi.Output<string>;
}

/** How each key's text is to be read; every other key is a string. */
const KINDS: Readonly<Record<string, "json" | "integer" | "boolean">> = {
  originAddresses: "json",
  emails: "json",
  emailDomains: "json",
  devices: "json",
  deviceRotations: "json",
  ipRanges: "json",
  sshPort: "integer",
  confirmSeconds: "integer",
  hostRevision: "integer",
  certificateValidityDays: "integer",
  anyServiceToken: "boolean",
  alwaysUseHttps: "boolean",
};

/**
 * Reads and checks the stack's configuration.
 *
 * @throws pulumi.RunError that lists every problem at once, each with the command that fixes it. No value of a secret
 *   is ever part of the text.
 */
export function loadSettings(): Settings {
  const raw = readConfiguration();
  const result = settingsSchema.safeParse(raw);
  const between = crossProblems(raw).map(({ key, message }) => problemText(key, message, key));
  if (!result.success || between.length > 0) {
    const problems = [...(result.error?.issues ?? []).flatMap(describe), ...between];
    throw userError(
      `the configuration of stack ${pulumi.getStack()} has ${problems.length === 1 ? "a problem" : `${problems.length.toString()} problems`}; ` +
        `nothing has been changed.\n${problems.join("\n")}`,
    );
  }
  const { apiToken, sshPrivateKey, ...plain } = result.data;
  return { ...plain, apiToken: pulumi.secret(apiToken), sshPrivateKey: pulumi.secret(sshPrivateKey) };
}

/** The configuration under the project's namespace, by key, each text turned into what it stands for. */
function readConfiguration(): Record<string, unknown> {
  const namespace = `${pulumi.getProject()}:`;
  const entries = Object.entries(pulumi.runtime.allConfig())
    .filter(([key]) => key.startsWith(namespace))
    .map(([key, value]): [string, unknown] => [key.slice(namespace.length), value]);
  return Object.fromEntries(entries.map(([key, value]) => [key, parseValue(key, String(value))]));
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
