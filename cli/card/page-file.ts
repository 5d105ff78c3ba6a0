import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where the pages are, in the folder of the project; git ignores it. */
const FOLDER = ".cards";

/** Path of a device's page. Stack names may have slashes (organisation and project), device names may not. */
function pagePath(project: string, stack: string, device: string): string {
  return join(project, FOLDER, `${stack.replaceAll("/", "-")}-${device}.html`);
}

/**
 * Writes a device's page, readable by this user alone, in place of an earlier one.
 * @returns its path.
 */
export function writePage(project: string, stack: string, device: string, html: string): string {
  const path = pagePath(project, stack, device);
  mkdirSync(join(project, FOLDER), { recursive: true, mode: 0o700 });
  // Written over, a file would keep the mode that it has.
  rmSync(path, { force: true });
  writeFileSync(path, html, { mode: 0o600, flag: "wx" });
  return path;
}

/**
 * Deletes a device's page.
 * @returns its path, or `undefined` if there was none.
 */
export function deletePage(project: string, stack: string, device: string): string | undefined {
  const path = pagePath(project, stack, device);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  rmSync(path);
  return path;
}
