// What the npm packages of a deployment take on a disk, against those of a checkout for development.

import { copyFileSync, lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectDir } from "../commands/terminal.ts";
import { run } from "../sandbox/run.ts";
import { type Figure, short } from "./figure.ts";

/** How many of the largest packages are named. */
const LARGEST = 4;
/** Limit against hanging, in milliseconds: npm downloads what its cache does not have. */
const PATIENCE_MS = 600_000;

/** Installs the packages both ways into folders of their own, without their install scripts, as the workflows do. */
export async function packages(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "immich-access-packages-"));
  try {
    const all = await installed(folder, []);
    const deployed = await installed(folder, ["--omit=dev"]);
    const largest = [...deployed.entries()].sort(([, one], [, other]) => other - one).slice(0, LARGEST);
    const megabytes = (bytes: number) => `${short(bytes / 1e6)} MB`;
    return [
      {
        what: "npm packages of a deployment",
        value: sum(deployed) / sum(all),
        unit: "times those of development",
        from: `${megabytes(sum(deployed))} against ${megabytes(sum(all))}; the largest: ${largest
          .map(([name, bytes]) => `${name} ${megabytes(bytes)}`)
          .join(", ")}`,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Bytes of each top-level package, or scope of packages, that `npm ci` installs. */
async function installed(folder: string, flags: readonly string[]): Promise<Map<string, number>> {
  for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(projectDir, file), join(folder, file));
  const npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", ...flags];
  const { code, stderr } = await run(["env", "-C", folder, ...npm], { timeout: PATIENCE_MS });
  if (code !== 0) throw new Error(`${npm.join(" ")} fails: ${stderr}`);
  const modules = join(folder, "node_modules");
  return new Map(readdirSync(modules).map((name) => [name, sizeOf(join(modules, name))]));
}

/** Bytes of a file, or of all files in a folder. */
function sizeOf(path: string): number {
  const { size } = lstatSync(path);
  if (!lstatSync(path).isDirectory()) return size;
  return readdirSync(path).reduce((bytes, name) => bytes + sizeOf(join(path, name)), 0);
}

const sum = (sizes: ReadonlyMap<string, number>): number => [...sizes.values()].reduce((one, other) => one + other, 0);
