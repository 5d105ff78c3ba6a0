// shellcheck on every shell script that git knows. Where the machine has none, Debian's package is unpacked below
// .state/ without being installed.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const project = join(import.meta.dirname, "../..");
const kept = join(project, ".state/lint/shellcheck");

/** Tracked files, and new ones that are not ignored, that end in .sh or begin with a shell's #! line. */
function scripts(): string[] {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: project,
  });
  return listed
    .toString()
    .split("\0")
    .filter((file) => file !== "" && existsSync(join(project, file)))
    .filter((file) => file.endsWith(".sh") || (!/\.\w+$/.test(file) && isShell(join(project, file))));
}

const isShell = (path: string) => /^#!.*\b(?:ba|da)?sh\b/.test(readFileSync(path, "utf8").split("\n")[0] ?? "");

/** The program: the machine's own, else the one unpacked here. */
function shellcheck(): string {
  if (spawnSync("shellcheck", ["--version"]).status === 0) return "shellcheck";
  const program = join(kept, "usr/bin/shellcheck");
  if (!existsSync(program)) unpack();
  return program;
}

function unpack(): void {
  mkdirSync(join(kept, ".."), { recursive: true });
  const folder = mkdtempSync(`${kept}.`);
  const apt = (...args: string[]) =>
    execFileSync("apt-get", ["-qq", "-o", `Dir::State::Lists=${join(folder, "lists")}`, ...args], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
  try {
    mkdirSync(join(folder, "lists"));
    apt("update");
    apt("download", "shellcheck");
    const [archive = ""] = readdirSync(folder).filter((name) => name.endsWith(".deb"));
    execFileSync("dpkg-deb", ["-x", archive, "unpacked"], { cwd: folder });
    renameSync(join(folder, "unpacked"), kept);
  } catch (error) {
    console.log(`shellcheck is missing and cannot be had from apt: ${String(error)}; install the package shellcheck`);
    process.exit(1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { status, stdout, error } = spawnSync(shellcheck(), ["--format=gcc", "--", ...scripts()], { cwd: project });
if (error) throw error;
process.stdout.write(stdout);
process.exitCode = status ?? 1;
