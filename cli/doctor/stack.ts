import { spawn } from "node:child_process";
import { checkSettings } from "../../settings/check.ts";
import type { SettingsValues } from "../../settings/schema.ts";
import type { Outputs } from "./deployed.ts";

/** A problem that the user can solve; its message is all that is shown. */
export class DoctorError extends Error {
  public constructor(message: string) {
    super(message);
    this.name = "DoctorError";
  }
}

const NAMESPACE = "immich-access:";

/**
 * Reads a stack's settings and outputs through the Pulumi CLI on the PATH, without running the program.
 *
 * @param stack its name; `undefined` for the selected one
 * @throws DoctorError with the CLI's own words, or with all problems of the settings
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
  if (problems) throw new DoctorError(`the stack's settings must be right first:\n${problems.join("\n")}`);
  return { settings: values, outputs: isComplete(outputs) ? outputs : undefined };
}

const isComplete = (outputs: Partial<Outputs>): outputs is Outputs =>
  outputs.url !== undefined && outputs.audience !== undefined && outputs.devices !== undefined;

function pulumi<T>(args: readonly string[]): Promise<T> {
  const child = spawn("pulumi", [...args, "--json", "--show-secrets", "--non-interactive"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", (error) => {
      reject(new DoctorError(`pulumi cannot be started: ${error.message}; install it or run this through npm`));
    });
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(stdout) as T);
      else reject(new DoctorError(`pulumi ${args.slice(0, 2).join(" ")}: ${stderr.trim()}`));
    });
  });
}
