// What the sandbox needs of the machine it runs on.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { withLock } from "../toolchain/lock.ts";
import { SandboxError } from "./error.ts";
import { SHARED_FOLDER } from "./numbers.ts";
import { run } from "./run.ts";

/** Programs that the sandbox runs on the machine itself, and their Debian packages. */
const PROGRAMS: Readonly<Record<string, string>> = {
  ip: "iproute2",
  unshare: "util-linux",
  nsenter: "util-linux",
  findmnt: "util-linux",
  mount: "mount",
  sysctl: "procps",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  curl: "curl",
  tar: "tar",
  awk: "mawk",
};

const DEVCONTAINER = "open the project in its devcontainer (.devcontainer/devcontainer.json)";

/** A user's PATH often lacks the folders with the administrator's programs. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

function isThere(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @throws SandboxError on a system without the kernel features that the sandbox is made of. */
export function requireLinux(): void {
  if (process.platform !== "linux") {
    throw new SandboxError(`the sandbox needs Linux (network namespaces, overlay mounts): ${DEVCONTAINER}`);
  }
}

/**
 * Continues as root: returns if this process is root already, otherwise runs its program again through sudo, on the same
 * terminal, and ends with its exit status.
 * @param what the sandbox's step, as a person reads it.
 * @throws SandboxError when this is not Linux, or there is no sudo.
 */
export function continueAsRoot(what: string): void {
  requireLinux();
  if (process.getuid?.() === 0) return;
  if (!isThere("sudo")) {
    throw new SandboxError(
      `${what} needs root (network namespaces, mounts, control groups) and there is no sudo: run this as root`,
    );
  }
  console.error(`${what} needs root (network namespaces, mounts, control groups): going on through sudo`);
  const kept = ["PATH", "HOME", "XDG_CACHE_HOME", "IMMICH_ACCESS_TOOLCHAIN"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const command = ["env", ...kept, process.execPath, ...process.argv.slice(1)];
  process.exit(spawnSync("sudo", command, { stdio: "inherit" }).status ?? 1);
}

/**
 * Makes sure that the machine is one the sandbox can run on, and installs the Debian packages that it lacks.
 * @throws SandboxError with one line about what is missing.
 */
export async function prepareMachine(report: (line: string) => void): Promise<void> {
  requireLinux();
  if (process.getuid?.() !== 0) {
    throw new SandboxError("the sandbox needs root (network namespaces, mounts, control groups): run this as root");
  }
  if (!existsSync("/var/lib/dpkg/status") || !existsSync("/usr/bin/apt-get")) {
    throw new SandboxError(
      `the sandbox's host is made from Debian or Ubuntu, and this machine is neither: ${DEVCONTAINER}`,
    );
  }
  const path = (process.env.PATH ?? "").split(delimiter);
  process.env.PATH = [...path, ...SYSTEM_FOLDERS.filter((folder) => !path.includes(folder))].join(delimiter);
  const missing = Object.keys(PROGRAMS).filter((program) => !isThere(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => PROGRAMS[program] ?? program))];
  report(`Installing ${packages.join(", ")}: the sandbox uses ${missing.join(", ")} (usually 20 s)`);
  await installPackages(packages);
}

/**
 * Installs Debian packages on this machine.
 * @throws SandboxError with apt-get's own reason.
 */
export async function installPackages(packages: readonly string[]): Promise<void> {
  const environment = { env: { DEBIAN_FRONTEND: "noninteractive" }, timeout: 900_000 };
  const aptGet = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"];
  // apt-get waits for another one's installation, but not for its lists and archives: other sandboxes' wait here.
  const { code, stderr } = await withLock(
    join(SHARED_FOLDER, "apt-get.lock"),
    async () => {
      await run([...aptGet, "update"], environment);
      return run([...aptGet, "install", "-y", "--no-install-recommends", ...packages], environment);
    },
    () => undefined,
  );
  if (code === 0) return;
  const reason = stderr.split("\n").find((line) => line.startsWith("E: ")) ?? `code ${code}`;
  throw new SandboxError(`apt-get cannot install ${packages.join(", ")}: ${reason}; install them and try again`);
}
