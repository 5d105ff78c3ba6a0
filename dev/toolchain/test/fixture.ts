// What the tests of the toolchain share: folders and programs of their own.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { onTestFinished, vi } from "vitest";

/** An empty folder that goes with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "immich-access-toolchain-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A folder on a file system of `size` bytes that goes with the test. Root only. */
export function smallDisk(size: number): string {
  const path = folder();
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]);
  onTestFinished(() => void execFileSync("umount", [path]));
  return path;
}

/** Whether this process may make a `smallDisk`. */
export const isRoot = process.getuid?.() === 0;

/** Writes a shell script that can be run. */
export function script(path: string, ...lines: string[]): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, ["#!/bin/sh", ...lines, ""].join("\n"));
  chmodSync(path, 0o755);
  return path;
}

/** The shell line that writes another script, which says that it is `version`. */
export const writesCli = (path: string, version: string) =>
  `printf '#!/bin/sh\\necho v${version}\\n' >"${path}" && chmod 755 "${path}"`;

/**
 * Puts a program named `go` first on the PATH of this test, in place of any other.
 * @param lines what `go build` does; `$target` is the file to write.
 */
export function fakeGo(version: string, ...lines: string[]): void {
  const bin = folder();
  script(
    join(bin, "go"),
    'case "$1" in',
    `env) echo go${version} ;;`,
    "list) printf 'one\\ntwo\\n' ;;",
    'build) while [ "$1" != -o ]; do shift; done; target=$2',
    ...lines,
    ";; esac",
  );
  vi.stubEnv("PATH", `${bin}${delimiter}/usr/bin${delimiter}/bin`);
}
