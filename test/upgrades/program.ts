// The program of a released version, and the day on which a stack's program runs.

import { globSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { mirrorProject } from "../../dev/commands/project.ts";
import { run } from "../../dev/sandbox/run.ts";
import { type Deployment, PROJECT } from "../e2e/support/deployment.ts";
import { CHECKPOINTS, folderOf } from "./checkpoint.ts";

/** What a deployment needs of the program, see docs/architecture.md. */
const FILES = [
  ...["Pulumi.yaml", "package.json", "index.ts", "stack", "settings", "components"],
  ...["host/agent", "host/load.py", "host/launch.sh"],
];

/** The file in a version's folder with the text of its program. */
const ARCHIVE = "program.tar.gz";

const archiveOf = (version: string): string => join(folderOf(version), ARCHIVE);

/** The released versions of which there is the program. */
export const programs = (): string[] => globSync(`*/${ARCHIVE}`, { cwd: CHECKPOINTS }).map(dirname).sort();

/** Keeps the program of the checked-out commit as that of a version. */
export async function packProgram(version: string): Promise<void> {
  await done(["git", "-C", PROJECT, "archive", `--output=${archiveOf(version)}`, "HEAD", "--", ...FILES]);
}

/** Unpacks a version's program into a new folder. It runs with the packages of this checkout. */
export async function unpackProgram(version: string, folder: string): Promise<string> {
  mkdirSync(folder);
  await done(["tar", "--extract", "--gzip", `--file=${archiveOf(version)}`, `--directory=${folder}`]);
  symlinkSync(join(PROJECT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

/**
 * Has a stack run the program in a folder from now on, on the day that `clock` says, whatever day it is: what a program
 * declares depends on the day, by the renewal of certificates and by the end of Cloudflare's Origin CA. Plugins keep
 * today's clock.
 */
export function useProgram(deployment: Deployment, folder: string, clock: string): void {
  mirrorProject(folder, deployment.stack.workspace.workDir);
  const setClock = `${pathToFileURL(join(import.meta.dirname, "clock.ts")).href}?at=${clock}`;
  const program = pathToFileURL(join(folder, "index.ts")).href;
  deployment.replaceIndex(`import ${JSON.stringify(setClock)};\nexport { default } from ${JSON.stringify(program)};\n`);
}

async function done(command: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command);
  if (code !== 0) throw new Error(`${command.join(" ")} failed: ${stderr.trim()}`);
}
