// What differs between two sets of values, as paths.
import { equal } from "./values.ts";
import type { Value, Values } from "./values.ts";

/** How the value at a path differs. */
export type Kind = "add" | "delete" | "update";

/** What an update would do to a resource. */
export interface Difference {
  /** Each differing path ("policies[0].id"). */
  paths: Record<string, Kind>;
  /** Top-level properties whose difference makes the engine replace the resource. */
  replaces: string[];
}

const isObject = (value: Value | undefined): value is { [name: string]: Value } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function walk(old: Value | undefined, fresh: Value | undefined, path: string, paths: Record<string, Kind>): void {
  if (equal(old, fresh)) return;
  const none = (value: Value | undefined) => value === undefined || value === null;
  if (none(old) && none(fresh)) return;
  if (Array.isArray(old) && Array.isArray(fresh)) {
    for (let i = 0; i < Math.max(old.length, fresh.length); i++) walk(old[i], fresh[i], `${path}[${i}]`, paths);
  } else if (isObject(old) && isObject(fresh)) {
    for (const name of new Set([...Object.keys(old), ...Object.keys(fresh)])) {
      walk(old[name], fresh[name], path === "" ? name : `${path}.${name}`, paths);
    }
  } else {
    paths[path] = none(old) ? "add" : none(fresh) ? "delete" : "update";
  }
}

/** The top-level property of a path. */
export const top = (path: string): string => path.split(/[.[]/, 1)[0]!;

/**
 * Compares the properties named in `names`.
 * @param replacing names whose change replaces the resource.
 */
export function difference(
  old: Values,
  fresh: Values,
  names: readonly string[],
  replacing: ReadonlySet<string>,
): Difference {
  const paths: Record<string, Kind> = {};
  for (const name of names) walk(old[name], fresh[name], name, paths);
  return { paths, replaces: [...new Set(Object.keys(paths).map(top))].filter((name) => replacing.has(name)) };
}
