import * as pulumi from "@pulumi/pulumi";
import { checkSettings } from "./check.ts";
import { userError } from "./error.ts";
import { SECRET_SETTINGS, type SecretSetting, type SettingsValues } from "./schema.ts";

/** The settings of a stack. Secrets are outputs, so that Pulumi always encrypts them. */
export interface Settings extends Omit<SettingsValues, SecretSetting>, SecretOutputs {}

type SecretOutputs = Record<SecretSetting, pulumi.Output<string>>;

/**
 * Reads and checks the stack's configuration.
 *
 * @throws pulumi.RunError that lists all problems, each with the command that fixes it. The text never contains a secret.
 */
export function loadSettings(): Settings {
  const { values, problems } = checkSettings(readConfiguration());
  if (problems) {
    throw userError(
      `the configuration of stack ${pulumi.getStack()} has ${problems.length === 1 ? "a problem" : `${problems.length.toString()} problems`}; ` +
        `nothing has been changed.\n${problems.join("\n")}`,
    );
  }
  const secrets = SECRET_SETTINGS.map((key) => [key, pulumi.secret(values[key])]);
  return { ...values, ...(Object.fromEntries(secrets) as SecretOutputs) };
}

/** The configuration under the project's namespace, by key. */
function readConfiguration(): Record<string, string> {
  const namespace = `${pulumi.getProject()}:`;
  const entries = Object.entries(pulumi.runtime.allConfig()).filter(([key]) => key.startsWith(namespace));
  return Object.fromEntries(entries.map(([key, value]) => [key.slice(namespace.length), String(value)]));
}
