import { checkSettings } from "../../settings/check.ts";
import type { SettingsValues } from "../../settings/schema.ts";
import { CommandError } from "../lib/command.ts";
import { capture } from "../lib/pulumi.ts";
import type { Outputs } from "./deployed.ts";

const NAMESPACE = "immich-access:";

/**
 * Reads a stack's settings and outputs through the Pulumi CLI on the PATH, without running the program.
 *
 * @param stack its name; `undefined` for the selected one
 * @throws CommandError with the CLI's own words, or with all problems of the settings
 */
export async function readStack(
  stack: string | undefined,
): Promise<{ settings: SettingsValues; outputs: Outputs | undefined }> {
  const chosen = stack === undefined ? [] : ["--stack", stack];
  const [config, outputs] = await Promise.all([
    pulumi<Record<string, { value?: string; objectValue?: unknown }>>(["config", ...chosen]),
    pulumi<Partial<Outputs>>(["stack", "output", ...chosen]),
  ]);
  const texts = Object.entries(config)
    .filter(([key]) => key.startsWith(NAMESPACE))
    .map(
      ([key, { value, objectValue }]) => [key.slice(NAMESPACE.length), value ?? JSON.stringify(objectValue)] as const,
    );
  const { values, problems } = checkSettings(Object.fromEntries(texts));
  if (problems) throw new CommandError(`the stack's settings must be right first:\n${problems.join("\n")}`);
  return { settings: values, outputs: isComplete(outputs) ? outputs : undefined };
}

const isComplete = (outputs: Partial<Outputs>): outputs is Outputs =>
  outputs.url !== undefined && outputs.audience !== undefined && outputs.devices !== undefined;

const pulumi = async <T>(args: readonly string[]): Promise<T> =>
  JSON.parse(await capture([...args, "--json", "--show-secrets"])) as T;
