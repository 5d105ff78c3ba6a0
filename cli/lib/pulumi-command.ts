// How the Pulumi CLI is started.
import { existsSync } from "node:fs";
import { win32 } from "node:path";

/**
 * The program that runs the Pulumi CLI on the PATH, with its first arguments.
 *
 * On Windows npm puts no program there but `pulumi.cmd`, which only a shell runs, and a shell would read the arguments anew;
 * the script that it names is run in its place.
 */
export function pulumiCommand(
  environment: NodeJS.ProcessEnv = process.env,
  platform = process.platform,
  exists: (path: string) => boolean = existsSync,
): { file: string; first: readonly string[] } {
  const folders = platform === "win32" ? (environment["PATH"] ?? environment["Path"] ?? "").split(win32.delimiter) : [];
  for (const folder of folders.filter((one) => one !== "")) {
    const program = win32.join(folder, "pulumi.exe");
    if (exists(program)) return { file: program, first: [] };
    // In a project's node_modules\.bin, and where `npm install --global` puts programs
    const scripts = [
      win32.join(folder, "..", "pulumi", "run.js"),
      win32.join(folder, "node_modules", "pulumi", "run.js"),
    ];
    const script = exists(win32.join(folder, "pulumi.cmd")) ? scripts.find(exists) : undefined;
    if (script !== undefined) return { file: process.execPath, first: [script] };
  }
  return { file: "pulumi", first: [] };
}
