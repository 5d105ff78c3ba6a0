import * as pulumi from "@pulumi/pulumi";
import { checkSettings } from "./check.ts";
import { userError } from "./error.ts";
import { SECRET_SETTINGS, type SecretSetting, settingFix, type SettingsValues } from "./schema.ts";

/** The settings of a stack. Secrets are outputs, so that Pulumi always encrypts them. */
export interface Settings extends Omit<SettingsValues, SecretSetting>, SecretOutputs {}

/** `undefined` for those that are empty. */
type SecretOutputs = Record<"apiToken", pulumi.Output<string>> &
  Record<SecretSetting, pulumi.Output<string> | undefined>;

/**
 * Reads and checks the stack's configuration.
 *
 * @throws pulumi.RunError that lists all problems, each with the command that fixes it. The text never contains a secret.
 */
export function loadSettings(): Settings {
  const { values, problems: found = [] } = checkSettings(readConfiguration());
  const problems = [...found, ...readableSecrets()];
  if (!values || problems.length > 0) {
    throw userError(
      `the configuration of stack ${pulumi.getStack()} has ${problems.length === 1 ? "a problem" : `${problems.length.toString()} problems`}; ` +
        `nothing has been changed.\n${problems.join("\n")}`,
    );
  }
  const secrets = SECRET_SETTINGS.map((key) => [key, values[key] === "" ? undefined : pulumi.secret(values[key])]);
  return { ...values, ...(Object.fromEntries(secrets) as SecretOutputs) };
}

/** The problems with secrets that are in the stack's file for all to read. */
function readableSecrets(): string[] {
  // The language host names the encrypted ones so, in an older or a newer form; the SDK does not tell.
  const told = JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "null") as string[] | null;
  const encrypted = told?.map((key) => key.replace(/^([^:]+):config:/, "$1:"));
  const configuration = readConfiguration();
  const isReadable = (key: SecretSetting) =>
    Boolean(configuration[key]) && encrypted?.includes(`${pulumi.getProject()}:${key}`) === false;
  return SECRET_SETTINGS.filter(isReadable).map(
    (key) =>
      `  ${key} is not encrypted in the stack's file, where others may have read it; make a new one\n    ${settingFix(key)}`,
  );
}

/** The configuration under the project's namespace, by key. */
function readConfiguration(): Record<string, string> {
  const namespace = `${pulumi.getProject()}:`;
  const entries = Object.entries(pulumi.runtime.allConfig()).filter(([key]) => key.startsWith(namespace));
  return Object.fromEntries(entries.map(([key, value]) => [key.slice(namespace.length), String(value)]));
}
