// The engine's process and the files that it leaves, of one stack.

import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Deployment } from "../../e2e/support/deployment.ts";

const BACKEND = "PULUMI_BACKEND_URL";

const backendUrl = ({ stack }: Deployment): string => stack.workspace.envVars[BACKEND] ?? "";

/** Kills the engine that is at work on the stack, as the kernel does when memory runs out. */
export function killEngine(deployment: Deployment): void {
  const mark = `${BACKEND}=${backendUrl(deployment)}\0`;
  const engines = readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const isEngine = readFileSync(`/proc/${pid}/comm`, "utf8") === "pulumi\n";
      return isEngine && readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
  if (engines.length === 0) throw new Error("no engine is at work");
  for (const pid of engines) process.kill(Number(pid), "SIGKILL");
}

/** The stack's state and its configuration, with their names in a snapshot. */
const files = (deployment: Deployment): Readonly<Record<string, string>> => ({
  state: fileURLToPath(backendUrl(deployment)),
  "settings.yaml": join(deployment.stack.workspace.workDir, `Pulumi.${deployment.stack.name}.yaml`),
});

/** Copies the stack's state and configuration to a folder. */
export function saveStack(deployment: Deployment, folder: string): void {
  for (const [name, path] of Object.entries(files(deployment))) cpSync(path, join(folder, name), { recursive: true });
}

/** Puts back what `saveStack` copied. */
export function restoreStack(deployment: Deployment, folder: string): void {
  for (const [name, path] of Object.entries(files(deployment))) {
    rmSync(path, { recursive: true });
    cpSync(join(folder, name), path, { recursive: true });
  }
}
