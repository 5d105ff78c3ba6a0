import { checkSettings } from "../../settings/check.ts";
import type { SettingsValues } from "../../settings/schema.ts";
import { CommandError } from "../lib/command.ts";
import type { Outputs } from "../lib/outputs.ts";
import { capture, settingTexts } from "../lib/pulumi.ts";

/**
 * Reads a stack's settings and outputs through the Pulumi CLI on the PATH, without running the program.
 *
 * @param stack its name; `undefined` for the selected one
 * @throws CommandError with the CLI's own message, or with all problems of the settings
 */
export async function readStack(
  stack: string | undefined,
): Promise<{ settings: SettingsValues; outputs: Outputs | undefined }> {
  const chosen = stack === undefined ? [] : ["--stack", stack];
  const [config, outputs] = await Promise.all([
    readJson(["config", ...chosen]),
    readJson(["stack", "output", ...chosen]),
  ]);
  const { values, problems } = checkSettings(settingTexts(config));
  if (problems) throw new CommandError(`correct the stack's settings first:\n${problems.join("\n")}`);
  const deployed = JSON.parse(outputs) as Partial<Outputs>;
  return { settings: values, outputs: isComplete(deployed) ? deployed : undefined };
}

const isComplete = (outputs: Partial<Outputs>): outputs is Outputs =>
  outputs.url !== undefined && outputs.audience !== undefined && outputs.devices !== undefined;

const readJson = (args: readonly string[]) => capture([...args, "--json", "--show-secrets"]);
