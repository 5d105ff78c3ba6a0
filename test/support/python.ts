import { existsSync } from "node:fs";
import { installPackages } from "../../dev/sandbox/prerequisites.ts";

/** The system's Python, on which the host agent runs, and the tests' strangers. */
export const PYTHON = "/usr/bin/python3";

/** Installs it where it is missing (usually 20 s). Rejects where that is not possible. */
export async function installPython(report: (line: string) => void): Promise<void> {
  if (existsSync(PYTHON)) return;
  report("Installing python3: the tests use it as the host does (usually 20 s)");
  await installPackages(["python3"]);
}
