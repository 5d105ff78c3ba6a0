import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { projectName, settingsPrefix } from "../../cli/lib/project.ts";
import type { Toolchain } from "../toolchain/index.ts";
import { SandboxError } from "../sandbox/error.ts";
import { edgeEnvironment } from "../sandbox/lifecycle.ts";
import { mirrorProject } from "./project.ts";

const STACK = "dev";

/** Settings that only the running sandbox knows. */
export interface SandboxSettings {
  plain: Readonly<Record<string, string>>;
  secret: Readonly<Record<string, string>>;
}

export interface DevStackOptions {
  projectDir: string;
  stateDir: string;
  toolchain: Toolchain;
}

interface StackFile {
  config?: Record<string, unknown>;
  encryptionsalt?: string | undefined;
}

/**
 * The dev stack: this project with the settings of Pulumi.dev.yaml and the sandbox's own, and a backend
 * in files under the state folder.
 */
export class DevStack {
  private readonly options: DevStackOptions;
  private readonly folder: string;
  private readonly environment: NodeJS.ProcessEnv;
  /** The project's name, which `pulumi new` changes. */
  private readonly project: string;
  private readonly prefix: string;

  public constructor(options: DevStackOptions) {
    this.options = options;
    this.project = projectName(options.projectDir);
    this.prefix = settingsPrefix(options.projectDir);
    this.folder = join(options.stateDir, "project");
    const backend = join(options.stateDir, "backend");
    mkdirSync(backend, { recursive: true, mode: 0o700 });
    // Credentials of a real account that happen to be around must not reach the sandbox, nor the other way about.
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(CLOUDFLARE|PULUMI)_|^SSH_AUTH_SOCK$/.test(name),
    );
    this.environment = {
      ...Object.fromEntries(inherited),
      ...options.toolchain.env,
      ...edgeEnvironment({ stateDir: options.stateDir }),
      PULUMI_BACKEND_URL: `file://${backend}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: this.passphraseFile(),
    };
  }

  /** Brings the stack's configuration up to date, and creates the stack where there is none. */
  public async prepare(settings: SandboxSettings): Promise<void> {
    mirrorProject(this.options.projectDir, this.folder);
    const previous = this.readStackFile();
    const source = parse(readFileSync(join(this.options.projectDir, `Pulumi.${STACK}.yaml`), "utf8")) as StackFile;
    const plain = Object.entries(settings.plain).map(([key, value]) => [this.prefix + key, value] as const);
    const encrypted = Object.keys(settings.secret)
      .map((key) => [this.prefix + key, previous.config?.[this.prefix + key]] as const)
      .filter(([, value]) => value !== undefined);
    this.writeStackFile({
      encryptionsalt: previous.encryptionsalt,
      config: { ...this.underOwnName(source.config), ...Object.fromEntries([...plain, ...encrypted]) },
    });
    if (!existsSync(join(this.options.stateDir, "backend", ".pulumi", "stacks", this.project, `${STACK}.json`))) {
      await this.cli(["stack", "init", STACK, "--secrets-provider", "passphrase"]);
    }
    await this.setSecrets(settings.secret);
  }

  /** Settings as Pulumi.dev.yaml has them, under the project's name: `pulumi new` leaves their keys as they were. */
  private underOwnName(config: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(config).map(([key, value]) => [key.replace(/^immich-access:/, this.prefix), value]),
    );
  }

  /** Runs `pulumi up` on this terminal, also after one that was killed. Resolves to its exit status. */
  public up(): Promise<number> {
    this.removeDeadLocks();
    return this.interactive(["up", "--stack", STACK, "--yes", "--skip-preview", "--suppress-outputs"]);
  }

  /** Runs any command of the CLI on this terminal, as if the checkout were the project. Resolves to its exit status. */
  public interactive(args: readonly string[]): Promise<number> {
    return this.attended(this.options.toolchain.pulumi, args);
  }

  /** Runs a command line tool of cli/ on this terminal, as if the dev stack were the checkout's. */
  public tool(name: string, args: readonly string[]): Promise<number> {
    return this.attended(process.execPath, [join(this.options.projectDir, "cli", name, "main.ts"), ...args]);
  }

  /** The stack's outputs, secrets in the clear. */
  public async outputs(): Promise<Record<string, unknown>> {
    const { stdout } = await this.cli(["stack", "output", "--stack", STACK, "--json", "--show-secrets"]);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  private attended(file: string, args: readonly string[]): Promise<number> {
    mirrorProject(this.options.projectDir, this.folder);
    const child = spawn(file, args, { cwd: this.folder, env: this.environment, stdio: "inherit" });
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (code) => {
        resolve(code ?? 1);
      });
    });
  }

  /** Removes the lock of a CLI that was killed. */
  private removeDeadLocks(): void {
    const folder = join(this.options.stateDir, "backend", ".pulumi", "locks");
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".json")) continue;
      const lock = JSON.parse(readFileSync(join(folder, name), "utf8")) as { pid: number; hostname: string };
      if (lock.hostname === hostname() && !this.isAtWork(lock.pid)) rmSync(join(folder, name));
    }
  }

  /** Whether a process is at work on this backend: what has the number by now may be another program. */
  private isAtWork(pid: number): boolean {
    const mark = `PULUMI_BACKEND_URL=${this.environment.PULUMI_BACKEND_URL}\0`;
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark);
    } catch (error) {
      // Another user's process may be.
      return (error as NodeJS.ErrnoException).code === "EACCES";
    }
  }

  private async setSecrets(secret: Readonly<Record<string, string>>): Promise<void> {
    const marker = join(this.folder, ".secrets");
    const hash = createHash("sha256")
      .update(readFileSync(this.passphraseFile()))
      .update(JSON.stringify(secret))
      .digest("hex");
    // `pulumi stack rm` takes the stack's file away, and leaves the marker.
    const { config = {} } = this.readStackFile();
    const complete = Object.keys(secret).every((key) => this.prefix + key in config);
    if (complete && existsSync(marker) && readFileSync(marker, "utf8") === hash) return;
    for (const [key, value] of Object.entries(secret)) {
      await this.cli(["config", "set", "--stack", STACK, "--secret", this.prefix + key], value);
    }
    writeFileSync(marker, hash, { mode: 0o600 });
  }

  private passphraseFile(): string {
    const file = join(this.options.stateDir, "passphrase");
    if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString("base64url"), { mode: 0o600 });
    return file;
  }

  private stackFile(): string {
    return join(this.folder, `Pulumi.${STACK}.yaml`);
  }

  private readStackFile(): StackFile {
    return existsSync(this.stackFile()) ? (parse(readFileSync(this.stackFile(), "utf8")) as StackFile) : {};
  }

  private writeStackFile(content: StackFile): void {
    writeFileSync(this.stackFile(), stringify(content), { mode: 0o600 });
  }

  private cli(args: readonly string[], input = ""): Promise<{ stdout: string }> {
    const child = spawn(this.options.toolchain.pulumi, [...args, "--non-interactive"], {
      cwd: this.folder,
      env: this.environment,
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stdin.end(input);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => {
        if (code === 0) resolve({ stdout });
        else reject(new SandboxError(`pulumi ${args.slice(0, 2).join(" ")} failed: ${stderr.trim() || stdout.trim()}`));
      });
    });
  }
}
