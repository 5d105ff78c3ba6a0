// The packages that a sandbox host has on top of this machine's own files. They are fetched once and kept for every
// checkout of this user; the machine itself gets none of them. A whole Debian of another release is kept the same way.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { withLock } from "../../toolchain/lock.ts";
import { SandboxError } from "../error.ts";
import { run } from "../run.ts";

/** What a small Debian server has, with what the host agent would install, so that tests need no package archive. */
const PACKAGES = [
  ..."systemd systemd-sysv dbus openssh-server cron sudo python3 ca-certificates openssl".split(" "),
  ..."iproute2 iptables procps passwd curl ufw nginx-light".split(" "),
];

const DAY = 24 * 3600 * 1000;
/** Packages get old: security updates, and a mirror that no longer has what they need. */
const KEPT_DAYS = 30;

const LAYER_SCRIPT = join(import.meta.dirname, "layer.sh");

/** Exit status of the script where the machine's archives do not have the release. */
const UNAVAILABLE = 3;

/** This machine's archives of Debian do not have the release that was asked for. */
export class ReleaseUnavailable extends SandboxError {}

/** Other packages, another way of installing them, or another Debian make another layer. */
function kindOf(release: string): string {
  const hash = createHash("sha256");
  for (const file of [LAYER_SCRIPT, "/etc/os-release"]) hash.update(readFileSync(file));
  return hash.update(PACKAGES.join(" ")).update(release).digest("hex").slice(0, 16);
}

/** What is installed on this machine, below the layer; what is just being upgraded counts. */
function installedHere(): string[] {
  const entries = readFileSync("/var/lib/dpkg/status", "utf8").split("\n\n");
  return entries
    .filter((entry) => /^Status: /m.test(entry) && !/^Status: .* (not-installed|config-files)$/m.test(entry))
    .map((entry) => /^Package: (.*)$/m.exec(entry)?.[1] ?? "");
}

/** The newest layer of the kind that is not too old and whose ground is still there. */
function usable(folder: string, kind: string): string | undefined {
  const file = readdirSync(folder)
    .filter((name) => name.startsWith(kind) && name.endsWith(".tar"))
    .sort()
    .map((name) => join(folder, name))
    .at(-1);
  if (file === undefined || Date.now() - statSync(file).mtimeMs > KEPT_DAYS * DAY) return undefined;
  const here = new Set(installedHere());
  const { ground } = JSON.parse(readFileSync(`${file}.json`, "utf8")) as { ground: string[] };
  // What the machine has got since does no harm; what it lost may be what a package of the layer stands on.
  return ground.every((name) => here.has(name)) ? touched(file) : undefined;
}

/**
 * The path of the layer as a tar file; makes it when there is none of this kind (usually 25 s; with a release 1 to 2
 * minutes).
 * @param release code name of the Debian that the host shall be, instead of this machine's files with the layer on top.
 * @throws SandboxError when the packages cannot be installed, as ReleaseUnavailable when the archives lack the release.
 */
export async function hostLayer(report: (line: string) => void, release = ""): Promise<string> {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "immich-access", "layers");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const kind = kindOf(release);
  const present = usable(folder, kind);
  if (present !== undefined) return present;
  const waiting = (pid: number) => report(`process ${pid} is fetching the sandbox host's packages: waiting for it`);
  return withLock(
    join(folder, "lock"),
    async () => {
      const meanwhile = usable(folder, kind);
      if (meanwhile !== undefined) return meanwhile;
      tidy(folder);
      // With the time in its name, so that a host on an earlier one is made anew.
      const file = join(folder, `${kind}-${Date.now()}.tar`);
      writeFileSync(`${file}.json`, JSON.stringify({ ground: release ? [] : installedHere() }));
      await build(file, release, report);
      return file;
    },
    waiting,
  );
}

async function build(file: string, release: string, report: (line: string) => void): Promise<void> {
  const started = Date.now();
  const [wanted, usual] = release
    ? [`the packages of Debian ${release}`, "1 to 2 minutes"]
    : ["the sandbox host's packages", "25 s"];
  const what = `Fetching ${wanted} (usually ${usual}, once; nothing is installed on this machine)`;
  report(what);
  const tick = setInterval(() => {
    report(`${what}: ${Math.round((Date.now() - started) / 1000)} s`);
  }, 10_000);
  const choice = release ? ["--release", release] : [];
  const { code, stderr } = await run(["bash", LAYER_SCRIPT, ...choice, file, ...PACKAGES], { timeout: 900_000 });
  clearInterval(tick);
  if (code === 0) return;
  if (code === UNAVAILABLE) throw new ReleaseUnavailable(stderr.trim().split("\n").at(-1) ?? "");
  const reason =
    stderr.split("\n").find((line) => /^E: |No space left|cannot|failed|denied/.test(line)) ?? `code ${code}`;
  throw new SandboxError(
    `${wanted} cannot be fetched: ${reason.trim()}; check apt-get update and the free space, then try again`,
  );
}

/** The access time says when a layer was last used; the modification time says how old it is. */
function touched(file: string): string {
  utimesSync(file, new Date(), statSync(file).mtime);
  return file;
}

/** Removes layers that nobody uses, and what a build that was cut short has left. Only for who holds the lock. */
function tidy(folder: string): void {
  for (const entry of readdirSync(folder).filter((name) => name.includes(".tar"))) {
    const tar = join(folder, entry.replace(/\.tar.*/, ".tar"));
    const unused = !existsSync(tar) || Date.now() - statSync(tar).atimeMs > KEPT_DAYS * DAY;
    if (unused || !/\.tar(\.json)?$/.test(entry)) rmSync(join(folder, entry));
  }
}
