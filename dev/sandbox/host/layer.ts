// The packages that a sandbox host has on top of this machine's own files. They are fetched once and kept for every
// checkout of this user, as one folder for all hosts; the machine itself gets none of them. A whole Debian of another
// release is kept the same way.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { withLock } from "../../toolchain/lock.ts";
import { SandboxError } from "../error.ts";
import { run } from "../run.ts";

/** Packages of a small Debian server, with those that the host agent would install, so that tests need no archive. */
const PACKAGES = [
  ..."systemd systemd-sysv dbus openssh-server cron sudo python3 ca-certificates openssl".split(" "),
  ..."iproute2 iptables nftables procps passwd curl ufw nginx-light".split(" "),
];

/** What a host has besides if it shall run containers, with a busybox that runs in any of them. */
const ENGINES = {
  docker: ["docker.io", "busybox-static"],
  podman: ["podman", "netavark", "aardvark-dns", "busybox-static"],
} as const;

/** The first Debian that has Docker's client in a package of its own. */
const SPLIT_DOCKER = "trixie";

/** Which Debian a host shall be, and what it shall have. */
export interface LayerOptions {
  /**
   * Code name of the Debian that the host shall be, instead of this machine's files with the layer on top. Default: this
   * machine's files.
   */
  release?: string | undefined;
  /** What shall run containers on it, in the version of its Debian. Default: nothing. */
  engine?: keyof typeof ENGINES | undefined;
}

const DAY = 24 * 3600 * 1000;
/** A layer expires: there are security updates, and mirrors drop old packages. */
const KEPT_DAYS = 30;

const LAYER_SCRIPT = join(import.meta.dirname, "layer.sh");

/** A layer in one of its two forms, without what describes it and without one that is being made. */
const LAYER = /^[0-9a-f]+-\d+(\.tar)?$/;

/** Exit status of the script where the machine's archives do not have the release. */
const UNAVAILABLE = 3;

/** This machine's archives of Debian do not have the release that was asked for. */
export class ReleaseUnavailable extends SandboxError {}

/** Other packages, another layer.sh, or another Debian need another layer. */
function kindOf(packages: readonly string[], release: string): string {
  const hash = createHash("sha256");
  for (const file of [LAYER_SCRIPT, "/etc/os-release"]) hash.update(readFileSync(file));
  return hash.update(packages.join(" ")).update(release).digest("hex").slice(0, 16);
}

/** What is installed on this machine, below the layer; what is just being upgraded counts. */
function installedHere(): string[] {
  const entries = readFileSync("/var/lib/dpkg/status", "utf8").split("\n\n");
  return entries
    .filter((entry) => /^Status: /m.test(entry) && !/^Status: .* (not-installed|config-files)$/m.test(entry))
    .map((entry) => /^Package: (.*)$/m.exec(entry)?.[1] ?? "");
}

/** The newest layer of the kind that is not too old and still matches this machine's packages. */
function usable(folder: string, kind: string): string | undefined {
  const name = readdirSync(folder)
    .filter((entry) => entry.startsWith(kind) && LAYER.test(entry))
    .sort()
    .at(-1);
  if (name === undefined) return undefined;
  const layer = join(folder, name);
  // Another checkout that makes a new one may have removed this one meanwhile.
  if (!existsSync(description(layer))) return undefined;
  const { ground, made } = JSON.parse(readFileSync(description(layer), "utf8")) as Description;
  if (Date.now() - made > KEPT_DAYS * DAY) return undefined;
  const here = new Set(installedHere());
  // Packages that the machine has gained since do no harm; one that it lost may be a dependency of the layer.
  return ground.every((name) => here.has(name)) ? touched(layer) : undefined;
}

interface Description {
  /** What was installed on this machine when the layer was made. */
  ground: string[];
  /** When that was, in milliseconds since 1970. */
  made: number;
}

const description = (layer: string): string => `${layer.replace(/\.tar$/, "")}.json`;

/**
 * The path of the layer, a folder, or a tar file where layer.sh cannot keep a folder; makes it when there is none of
 * this kind (usually 25 s; with a release 1 to 2 minutes; 20 s more with an engine).
 * @throws SandboxError when the packages cannot be installed, as ReleaseUnavailable when the archives lack the release.
 */
export async function hostLayer(
  report: (line: string) => void,
  { release = "", engine }: LayerOptions = {},
): Promise<string> {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "immich-access", "layers");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const client = engine === "docker" && release === SPLIT_DOCKER ? ["docker-cli"] : [];
  const packages = [...PACKAGES, ...(engine === undefined ? [] : ENGINES[engine]), ...client];
  const kind = kindOf(packages, release);
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
      const made = Date.now();
      const layer = join(folder, `${kind}-${made}`);
      const described: Description = { ground: release ? [] : installedHere(), made };
      writeFileSync(description(layer), JSON.stringify(described));
      await build(layer, packages, release, report);
      return existsSync(layer) ? layer : `${layer}.tar`;
    },
    waiting,
  );
}

async function build(
  layer: string,
  packages: readonly string[],
  release: string,
  report: (line: string) => void,
): Promise<void> {
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
  const { code, stderr } = await run(["bash", LAYER_SCRIPT, ...choice, layer, ...packages], { timeout: 900_000 });
  clearInterval(tick);
  if (code === 0) return;
  if (code === UNAVAILABLE) throw new ReleaseUnavailable(stderr.trim().split("\n").at(-1) ?? "");
  const reason =
    stderr.split("\n").find((line) => /^E: |No space left|cannot|failed|denied/.test(line)) ?? `code ${code}`;
  throw new SandboxError(
    `${wanted} cannot be fetched: ${reason.trim()}; check apt-get update and the free space, then try again`,
  );
}

/** A description's modification time says when its layer was last used. */
function touched(layer: string): string {
  const now = new Date();
  utimesSync(description(layer), now, now);
  return layer;
}

/** Removes unused layers and remains of interrupted builds. The caller must hold the lock. */
function tidy(folder: string): void {
  for (const entry of readdirSync(folder)) {
    const [layer] = /^[0-9a-f]+-\d+/.exec(entry) ?? [];
    if (layer === undefined) continue;
    const described = description(join(folder, layer));
    const used = existsSync(described) && Date.now() - statSync(described).mtimeMs < KEPT_DAYS * DAY;
    const whole = LAYER.test(entry) || entry === `${layer}.json`;
    if (!used || !whole) rmSync(join(folder, entry), { recursive: true });
  }
}
