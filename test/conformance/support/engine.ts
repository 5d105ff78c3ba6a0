// Runs a Pulumi program on the real engine, with a backend of its own in a temporary folder.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveToolchain } from "../../../dev/toolchain/index.ts";
import type { Toolchain } from "../../../dev/toolchain/index.ts";

const checkout = join(import.meta.dirname, "../../..");

/** A resource in an exported stack. */
export interface ExportedResource {
  type: string;
  urn: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  additionalSecretOutputs?: string[];
}

/** How a command ended. */
export interface Result {
  code: number;
  /** Standard output and standard error as they came. */
  output: string;
}

/** The toolchain of this checkout, as `npm start` has it. */
export function toolchain(): Promise<Toolchain> {
  return resolveToolchain({ projectDir: checkout, stateDir: join(checkout, ".state"), report: console.log });
}

/** One stack of one program. */
export class Engine {
  readonly #folder: string;
  readonly #tools: Toolchain;

  private constructor(tools: Toolchain, folder: string) {
    this.#tools = tools;
    this.#folder = folder;
  }

  /** Copies the program in `programDir` to a temporary folder and makes a stack of it. */
  static async create(programDir: string, config: Record<string, string>): Promise<Engine> {
    const folder = mkdtempSync(join(tmpdir(), "immich-access-conformance-"));
    const engine = new Engine(await toolchain(), folder);
    mkdirSync(join(folder, "backend"));
    cpSync(programDir, join(folder, "program"), { recursive: true });
    symlinkSync(join(checkout, "node_modules"), join(folder, "program", "node_modules"));
    await engine.succeed("stack", "init", "test");
    await engine.configure(config);
    return engine;
  }

  /** Sets configuration; values of names that end in "!" are secret. */
  async configure(config: Record<string, string>): Promise<void> {
    const pairs = Object.entries(config).flatMap(([name, value]) =>
      name.endsWith("!") ? ["--secret", `${name.slice(0, -1)}=${value}`] : ["--plaintext", `${name}=${value}`],
    );
    await this.succeed("config", "set-all", ...pairs);
  }

  /** Runs the CLI. */
  async run(...args: string[]): Promise<Result> {
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(CLOUDFLARE_|PULUMI_|SSH_AUTH_SOCK)/.test(name),
    );
    const child = spawn(this.#tools.pulumi, [...args, "--non-interactive", "--color=never"], {
      cwd: join(this.#folder, "program"),
      env: {
        ...(Object.fromEntries(inherited) as Record<string, string>),
        ...this.#tools.env,
        PULUMI_BACKEND_URL: `file://${join(this.#folder, "backend")}`,
        PULUMI_CONFIG_PASSPHRASE: "conformance",
      },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 100_000,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    const code = await new Promise<number>((resolve) => child.once("close", (ended) => resolve(ended ?? -1)));
    return { code, output };
  }

  /** Runs the CLI; throws if it fails. */
  async succeed(...args: string[]): Promise<string> {
    const { code, output } = await this.run(...args);
    if (code !== 0) throw new Error(`pulumi ${args[0]} failed with ${code}:\n${output}`);
    return output;
  }

  /** The stack's state as it is exported: as text, and its resources without providers and the stack itself. */
  async state(): Promise<{ text: string; resources: ExportedResource[] }> {
    const text = await this.succeed("stack", "export");
    const all = (JSON.parse(text) as { deployment: { resources?: ExportedResource[] } }).deployment.resources ?? [];
    return { text, resources: all.filter(({ type }) => !type.startsWith("pulumi:")) };
  }

  /** Removes everything. */
  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
