import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SiteDevice } from "../lib/choice.ts";

/** Where the pages are, in the folder of the project; git ignores it. */
const FOLDER = ".cards";

/** How the names of a device's pages begin. Stack names may have slashes (organisation and project), others may not. */
const beginning = (stack: string, device: string) => `${stack.replaceAll("/", "-")}-${device}@`;

/**
 * Writes a device's page, readable by this user alone, in place of an earlier one.
 * @returns its path.
 */
export function writePage(project: string, stack: string, { site, device }: SiteDevice, html: string): string {
  const path = join(project, FOLDER, `${beginning(stack, device)}${site}.html`);
  mkdirSync(join(project, FOLDER), { recursive: true, mode: 0o700 });
  // Written over, a file would keep the mode that it has.
  rmSync(path, { force: true });
  writeFileSync(path, html, { mode: 0o600, flag: "wx" });
  return path;
}

/**
 * Deletes a device's page at one site, or wherever it has one.
 * @returns the paths of those that there were.
 */
export function deletePages(project: string, stack: string, device: string, site: string | undefined): string[] {
  const start = beginning(stack, device);
  const pages = existsSync(join(project, FOLDER)) ? readdirSync(join(project, FOLDER)) : [];
  const paths = pages
    .filter((name) => (site === undefined ? name.startsWith(start) : name === `${start}${site}.html`))
    .map((name) => join(project, FOLDER, name));
  for (const path of paths) rmSync(path);
  return paths;
}
