import { existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";

/** What the engine and the program look up in the project's folder itself; all else they reach through these. */
const ENTRIES = ["Pulumi.yaml", "package.json", "index.ts", "node_modules", "policy"];

/**
 * Makes a folder that is the project to the Pulumi CLI, by links, so that the sandbox's stack configuration with its
 * addresses and secrets lies there and not among the files under version control.
 *
 * @param projectDir the checkout
 * @param folder the folder to make or bring up to date
 */
export function mirrorProject(projectDir: string, folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const entry of ENTRIES) {
    const link = join(folder, entry);
    const target = relative(folder, join(projectDir, entry));
    if (isLinkTo(link, target)) continue;
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
}

function isLinkTo(link: string, target: string): boolean {
  return existsSync(link) && lstatSync(link).isSymbolicLink() && readlinkSync(link) === target;
}
