import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SiteDevice } from "../lib/choice.ts";

/** The folder of the pages in the project; git ignores it. */
const FOLDER = ".cards";

/** Prefix of the names of a device's pages. Only stack names can contain slashes (organisation and project). */
const pagePrefix = (stack: string, device: string) => `${stack.replaceAll("/", "-")}-${device}@`;

/**
 * Writes a device's page, readable only by this user; replaces an earlier one.
 * @returns its path.
 */
export function writePage(project: string, stack: string, { site, device }: SiteDevice, html: string): string {
  const path = join(project, FOLDER, `${pagePrefix(stack, device)}${site}.html`);
  mkdirSync(join(project, FOLDER), { recursive: true, mode: 0o700 });
  // Deleted first, because an overwritten file would keep its mode.
  rmSync(path, { force: true });
  writeFileSync(path, html, { mode: 0o600, flag: "wx" });
  return path;
}

/**
 * Deletes a device's page for one site, or for all sites.
 * @returns the paths of the deleted pages.
 */
export function deletePages(project: string, stack: string, device: string, site: string | undefined): string[] {
  const start = pagePrefix(stack, device);
  const pages = existsSync(join(project, FOLDER)) ? readdirSync(join(project, FOLDER)) : [];
  const paths = pages
    .filter((name) => (site === undefined ? name.startsWith(start) : name === `${start}${site}.html`))
    .map((name) => join(project, FOLDER, name));
  for (const path of paths) rmSync(path);
  return paths;
}
