// shellcheck on every shell script. Where the machine has none, Debian's package is unpacked below
// .state/ without being installed.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const project = join(import.meta.dirname, "../..");
const kept = join(project, ".state/lint/shellcheck");
const scripts = globSync(["**/*.sh", ".ci/*"], { cwd: project, exclude: ["node_modules", ".state"] }).sort();
if (scripts.length === 0) throw new Error("no shell scripts found");

/** The program: the machine's own, else the one unpacked here. */
function shellcheck(): string {
  if (spawnSync("shellcheck", ["--version"]).status === 0) return "shellcheck";
  const program = join(kept, "usr/bin/shellcheck");
  if (!existsSync(program)) unpack();
  return program;
}

/** @throws Error with apt's own word on why it cannot be had. */
function unpack(): void {
  mkdirSync(join(kept, ".."), { recursive: true });
  const folder = mkdtempSync(`${kept}.`);
  const command = (name: string, ...args: string[]) => {
    const { status, stderr, error } = spawnSync(name, args, { cwd: folder, encoding: "utf8" });
    if (status === 0) return;
    const why = error?.message ?? stderr.split("\n").find((line) => line.startsWith("E:")) ?? stderr.trim();
    throw new Error(`shellcheck is missing and ${name} cannot get it (${why}): install the package shellcheck`);
  };
  // Lists of its own, so that neither root nor a machine with up-to-date lists is needed.
  const options = ["-qq", "-o", `Dir::State::Lists=${join(folder, "lists")}`, "-o", "APT::Sandbox::User=root"];
  try {
    mkdirSync(join(folder, "lists"));
    command("apt-get", ...options, "update");
    command("apt-get", ...options, "download", "shellcheck");
    const [archive = ""] = globSync("*.deb", { cwd: folder });
    command("dpkg-deb", "-x", archive, "unpacked");
    renameSync(join(folder, "unpacked"), kept);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { status, stdout, error } = spawnSync(shellcheck(), ["--format=gcc", "--", ...scripts], { cwd: project });
if (error) throw error;
process.stdout.write(stdout);
process.exitCode = status ?? 1;
