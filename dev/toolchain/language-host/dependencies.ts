// What a program's package.json depends on, as far as it is installed.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A dependency as installed. */
export interface Dependency {
  name: string;
  version: string;
}

interface Manifest {
  name?: string;
  version?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  pulumi?: { resource?: boolean; name?: string; version?: string };
}

function readManifest(path: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Manifest;
  } catch {
    return undefined; // absent or half written: the program itself will say so when it needs the package
  }
}

/** The nearest folder at or above `directory` that has the file `name`. */
function above(directory: string, name: string): string | undefined {
  for (let folder = directory; ; folder = dirname(folder)) {
    if (existsSync(join(folder, name))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

/** Manifests of the packages that the program in `directory` asks for and that are installed. */
function installed(directory: string): Manifest[] {
  const root = above(directory, "package.json");
  if (root === undefined) return [];
  const own = readManifest(join(root, "package.json"));
  return Object.keys({ ...own?.dependencies, ...own?.devDependencies }).flatMap((name) => {
    const modules = above(root, join("node_modules", name, "package.json"));
    return modules === undefined ? [] : (readManifest(join(modules, "node_modules", name, "package.json")) ?? []);
  });
}

/** Every direct dependency of the program in `directory`, for `pulumi about`. */
export function dependencies(directory: string): Dependency[] {
  return installed(directory).flatMap(({ name, version }) => (name && version ? [{ name, version }] : []));
}

/**
 * Resource plugins of the program in `directory` that are present in `PULUMI_HOME`. A missing one is left out: the
 * engine would otherwise try to download it before anything runs, whether or not the program uses it. Used without
 * being there, it is named by the engine when the first resource needs it.
 */
export function requiredPlugins(directory: string): Dependency[] {
  const home = process.env.PULUMI_HOME;
  if (!home) return [];
  return installed(directory).flatMap((manifest) => {
    if (manifest.pulumi?.resource !== true) return [];
    const name = manifest.pulumi.name ?? manifest.name?.replace(/^@pulumi\//, "").replace(/^@/, "");
    const version = (manifest.pulumi.version ?? manifest.version)?.replace(/^v/, "");
    if (!name || !version || !existsSync(join(home, "plugins", `resource-${name}-v${version}`))) return [];
    return [{ name, version }];
  });
}
