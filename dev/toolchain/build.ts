// Builds the Pulumi CLI from its Go modules, once per user and version.
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { ToolchainError } from "./error.ts";
import { withLock } from "./lock.ts";
import { cliVersion } from "./toolchain.ts";

/** The module with the CLI's main package, and the variable that the linker sets to the version. */
const cliPackage = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
const versionVariable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";

/** Which CLI is wanted. */
export interface WantedCli {
  /** Folder with go.mod and go.sum. */
  moduleDir: string;
  /** Version of the CLI, from go.mod, without "v". */
  version: string;
  /** Least version of Go, from go.mod. */
  go: string;
  /** SHA-256 of go.mod and go.sum. */
  modules: string;
}

/** Reads go.mod and go.sum in `moduleDir`. */
export function wantedCli(moduleDir: string): WantedCli {
  const mod = readFileSync(join(moduleDir, "go.mod"), "utf8");
  const version = /^\s*(?:require\s+)?github\.com\/pulumi\/pulumi\/pkg\/v3 v(\S+)/m.exec(mod)?.[1];
  const go = /^go (\S+)/m.exec(mod)?.[1];
  if (!version || !go) throw new ToolchainError(`${join(moduleDir, "go.mod")} names no version of the CLI or of Go`);
  const modules = createHash("sha256")
    .update(mod)
    .update(readFileSync(join(moduleDir, "go.sum")))
    .digest("hex");
  return { moduleDir, version, go, modules };
}

/** Whether dotted version `a` is at least `b`. */
export function atLeast(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split(".").map((part) => Number.parseInt(part, 10) || 0));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const difference = (left![i] ?? 0) - (right![i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Go as it is installed: it is not to fetch another version of itself, and C is not needed. */
const goEnvironment = () => ({ ...process.env, GOTOOLCHAIN: "local", CGO_ENABLED: "0" });

async function goVersion(least: string): Promise<string> {
  let version: string;
  try {
    const { stdout } = await promisify(execFile)("go", ["env", "GOVERSION"], {
      env: goEnvironment(),
      cwd: "/",
      timeout: 30_000,
    });
    version = stdout.trim().replace(/^go/, "");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new ToolchainError(
      `the off-line Pulumi CLI is built with Go ${least} or newer, ` +
        (missing
          ? "and `go` is not on the PATH"
          : `and \`go env\` fails (${(error as Error).message.split("\n")[0]})`) +
        ": install Go, then run this again",
    );
  }
  if (!atLeast(version, least)) {
    throw new ToolchainError(
      `the off-line Pulumi CLI is built with Go ${least} or newer, and this is Go ${version}: ` +
        "install a newer Go first on the PATH, then run this again",
    );
  }
  return version;
}

/** One line about a failed `go` command: a full disk and an unreachable module source are told apart from the rest. */
function goFailure(what: string, errors: string[]): ToolchainError {
  const text = errors.join("\n");
  const first = errors.find((line) => !line.startsWith("go: downloading") && !line.startsWith("#")) ?? "no message";
  if (/no space left on device/i.test(text)) {
    return new ToolchainError(
      `${what}: the disk is full. The build needs about 4 GB in Go's caches (\`go env GOMODCACHE GOCACHE\`) ` +
        "and the temporary folder; make room, then run this again",
    );
  }
  if (/dial tcp|no such host|i\/o timeout|connection refused|TLS handshake/i.test(text)) {
    return new ToolchainError(
      `${what}: a Go module cannot be fetched (${first.trim()}). Check the network and GOPROXY, then run this again`,
    );
  }
  return new ToolchainError(`${what}: ${first.trim()}. If it stays, run \`go clean -cache\` and try again`);
}

/** Runs `go`, handing over each line of standard error. */
async function go(moduleDir: string, args: string[], what: string, line: (text: string) => void): Promise<string> {
  const child = spawn("go", args, { cwd: moduleDir, env: goEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
  const errors: string[] = [];
  const packages = /^[\w.~/-]+$/;
  createInterface({ input: child.stderr }).on("line", (text) => {
    line(text);
    if (!packages.test(text)) errors.push(text);
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  const stop = () => child.kill();
  process.once("exit", stop);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (error) => reject(new ToolchainError(`${what}: ${error.message}`)));
    child.once("close", resolve);
  });
  process.off("exit", stop);
  if (code !== 0) throw goFailure(what, errors);
  return output;
}

const seconds = (since: number) => {
  const all = Math.round((Date.now() - since) / 1000);
  return all < 60 ? `${all} s` : `${Math.floor(all / 60)} min ${String(all % 60).padStart(2, "0")} s`;
};

async function compile(wanted: BuildOptions, target: string): Promise<void> {
  const { moduleDir, version, report, mainPackage } = wanted;
  const started = Date.now();
  const what = `building the Pulumi CLI ${version}`;
  report(`${what} from its Go modules (once for all checkouts; usually 4 to 8 minutes)`);

  let downloaded = 0;
  let total = 0;
  const compiled = new Set<string>();
  const progress = setInterval(() => {
    const done = total === 0 ? `${downloaded} modules downloaded` : `${compiled.size} of ${total} packages compiled`;
    report(`${what}: ${done}, ${seconds(started)}`);
  }, 5000);
  try {
    const list = await go(moduleDir, ["list", "-deps", mainPackage], what, () => downloaded++);
    total = list.trim().split("\n").length;
    const flags = ["-trimpath", "-v", "-ldflags", `-s -w -X ${versionVariable}=${version}`];
    await go(moduleDir, ["build", ...flags, "-o", target, mainPackage], what, (line) => compiled.add(line));
  } finally {
    clearInterval(progress);
  }
  const got = await cliVersion(target).catch((error: Error) => error.message.split("\n")[0]);
  if (got !== version) {
    throw new ToolchainError(
      `the built Pulumi CLI says it is ${JSON.stringify(got)}, not ${version}: ` +
        "run `go clean -cache` and try again; if it stays, dev/toolchain/cli/go.mod does not fit the build",
    );
  }
  report(`${what}: done after ${seconds(started)}`);
}

interface BuildOptions extends WantedCli {
  /** Folder that holds one folder per version. */
  cacheDir: string;
  report: (line: string) => void;
  mainPackage: string;
}

/**
 * The path of the built CLI in `<cacheDir>/<version>-<hash>/pulumi`, where the hash covers go.mod, go.sum and Go's own
 * version. Builds it when it is not there, under a lock.
 * @param options.mainPackage what to build. Default: the CLI.
 * @throws ToolchainError for a missing or old Go, a full disk, a failed build, a wrong version.
 */
export async function buildCli(options: Omit<BuildOptions, "mainPackage"> & { mainPackage?: string }): Promise<string> {
  const compiler = await goVersion(options.go);
  const hash = createHash("sha256").update(`${options.modules} go${compiler}`).digest("hex").slice(0, 12);
  const folder = join(options.cacheDir, `${options.version}-${hash}`);
  const cli = join(folder, "pulumi");
  const ready = () => {
    try {
      accessSync(cli, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  if (ready()) return cli;

  const waiting = (pid: number) => options.report(`process ${pid} is building the Pulumi CLI: waiting for it`);
  try {
    return await withLock(
      join(options.cacheDir, `${options.version}-${hash}.lock`),
      async () => {
        if (ready()) return cli;
        mkdirSync(folder, { recursive: true });
        for (const leftover of readdirSync(folder)) rmSync(join(folder, leftover), { recursive: true, force: true });
        const fresh = join(folder, `pulumi.${process.pid}`);
        try {
          await compile({ mainPackage: cliPackage, ...options }, fresh);
          renameSync(fresh, cli);
        } finally {
          rmSync(fresh, { force: true });
        }
        return cli;
      },
      waiting,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") throw goFailure(`building the Pulumi CLI`, [String(error)]);
    throw error;
  }
}
