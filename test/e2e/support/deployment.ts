import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  LocalWorkspace,
  PulumiCommand,
  type EngineEvent,
  type PreviewOptions,
  type Stack,
} from "@pulumi/pulumi/automation/index.js";
import { mirrorProject } from "../../../dev/commands/project.ts";
import { run } from "../../../dev/sandbox/run.ts";
import { resolveToolchain, type Toolchain } from "../../../dev/toolchain/index.ts";
import { NONE, type Plugins, startPlugins } from "./plugins.ts";

export const PROJECT = join(import.meta.dirname, "../../..");

/** One step of the engine on one resource. */
export interface Step {
  /** Name of the resource, the last part of its URN. */
  name: string;
  type: string;
  op: string;
  /** Place among the events at which the engine began it, and at which it was done. */
  began: number;
  done: number;
  /** When the engine told of both, in milliseconds of `Date.now()`. */
  beganAt: number;
  doneAt: number;
}

/** What an operation did: its steps that changed something, and how often each kind of step happened. */
export interface Outcome {
  steps: Step[];
  counts: Record<string, number>;
  output: string;
}

const NAMESPACE = "immich-access:";
const QUIET_OPS = new Set(["same", "read", "refresh"]);

/** A stack of the whole program on the real engine, in a backend of its own. */
export class Deployment {
  public readonly stack: Stack;
  /** The folder of everything that belongs to the stack. */
  public readonly folder: string;
  /** All that the CLI has printed so far, and told in events, but for those that only --debug shows. */
  public transcript = "";
  private readonly toolchain: Toolchain;
  private plugins: Promise<Plugins> | undefined;

  private constructor(stack: Stack, folder: string, toolchain: Toolchain, quick: boolean) {
    this.stack = stack;
    this.folder = folder;
    this.toolchain = toolchain;
    if (!quick) this.plugins = Promise.resolve(NONE);
    // After each operation the SDK asks for its summary and, twice, for the outputs, even if nobody uses them.
    stack.info = () => Promise.resolve(undefined);
    stack.outputs = () => Promise.resolve({});
  }

  /**
   * @param quick whether the plugins run on from one operation to the next, and the state is saved at the end of each
   * operation only; else the engine starts its own plugins and saves after each step, as a test that kills it needs.
   * @param passphrase what the secrets in its state and its configuration are encrypted with. Default: a random one.
   * @param environment further variables for the engine and the program.
   * @param project folder of the program. Default: the checkout.
   */
  public static async create(
    quick = true,
    passphrase = randomBytes(16).toString("hex"),
    environment: Readonly<Record<string, string>> = {},
    project = PROJECT,
  ): Promise<Deployment> {
    const resolved = await resolveToolchain({ projectDir: PROJECT, stateDir: join(PROJECT, ".state") });
    const toolchain = { ...resolved, env: { ...resolved.env, ...environment } };
    const folder = mkdtempSync(join(tmpdir(), "immich-access-e2e-"));
    const workDir = join(folder, "project");
    mirrorProject(project, workDir);
    mkdirSync(join(folder, "backend"));
    const stack = await LocalWorkspace.createStack(
      { stackName: "test", workDir },
      {
        workDir,
        pulumiCommand: await PulumiCommand.get({ root: dirname(dirname(toolchain.pulumi)) }),
        secretsProvider: "passphrase",
        envVars: {
          ...toolchain.env,
          PULUMI_BACKEND_URL: `file://${join(folder, "backend")}`,
          PULUMI_CONFIG_PASSPHRASE: passphrase,
          // Copies of every state, of which nobody needs any.
          PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS: "true",
          ...(quick && { PULUMI_SKIP_CHECKPOINTS: "true" }),
          SSH_AUTH_SOCK: "",
        },
      },
    );
    return new Deployment(stack, folder, toolchain, quick);
  }

  /** Has the stack run another index.ts from now on. */
  public replaceIndex(text: string): void {
    const index = join(this.stack.workspace.workDir, "index.ts");
    // It is a link to the project's own.
    rmSync(index);
    writeFileSync(index, text);
  }

  /** Sets settings; lists and objects replace what was there. */
  public async configure(settings: Readonly<Record<string, unknown>>, secret: Readonly<Record<string, string>> = {}) {
    await this.edit((config) => Object.assign(config, namespaced(settings)));
    for (const [key, value] of Object.entries(secret)) await this.setSecret(key, value);
  }

  /** By the CLI's standard input; the SDK would put the value into its arguments, for everyone to see. */
  private async setSecret(key: string, value: string): Promise<void> {
    await this.cli(["config", "set", "--stack", this.stack.name, "--secret", "--non-interactive", key], value);
  }

  private async cli(args: readonly string[], input = ""): Promise<string> {
    const { workDir, envVars } = this.stack.workspace;
    const command = ["env", "-C", workDir, this.toolchain.pulumi, ...args];
    const { code, stdout, stderr } = await run(command, { input, env: envVars });
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} failed: ${stderr}`);
    return stdout;
  }

  /** Takes a setting back to its default. */
  public async removeSetting(key: string): Promise<void> {
    await this.edit((config) => Reflect.deleteProperty(config, NAMESPACE + key));
  }

  /** Changes the stack's file as a person with an editor would: a run of the CLI costs a good part of a second. */
  private async edit(change: (config: Record<string, unknown>) => void): Promise<void> {
    const { workspace, name } = this.stack;
    const settings = await workspace.stackSettings(name);
    const config: Record<string, unknown> = { ...settings.config };
    change(config);
    await workspace.saveStackSettings(name, { ...settings, config });
  }

  /** @param policyPacks folders of the policy packs that have to pass. */
  public up(policyPacks: string[] = []): Promise<Outcome> {
    return this.watch((options) => this.stack.up({ ...options, policyPacks }));
  }

  /** @param options.onEvent is told of each of the engine's events. */
  public preview({
    onEvent,
    ...options
  }: Pick<PreviewOptions, "policyPacks" | "refresh" | "expectNoChanges" | "onEvent"> = {}): Promise<Outcome> {
    return this.watch((watching) => {
      const tell = (event: EngineEvent) => {
        watching.onEvent(event);
        onEvent?.(event);
      };
      return this.stack.preview({ ...watching, ...options, onEvent: tell });
    });
  }

  public refresh(): Promise<Outcome> {
    return this.watch((options) => this.stack.refresh(options));
  }

  public destroy(): Promise<Outcome> {
    return this.watch((options) => this.stack.destroy(options));
  }

  /** The stack's outputs, secrets in the clear. */
  public async outputs<T>(): Promise<T> {
    return JSON.parse(await this.cli(["stack", "output", "--stack", this.stack.name, "--json", "--show-secrets"])) as T;
  }

  /** The state as `pulumi stack export` writes it, secrets encrypted. */
  public exportState(): Promise<string> {
    return this.cli(["stack", "export", "--stack", this.stack.name]);
  }

  /** Forgets the stack without touching what it made. */
  public async dispose(): Promise<void> {
    (await this.plugins)?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async watch(operation: (options: Watching) => Promise<unknown>): Promise<Outcome> {
    this.plugins ??= startPlugins(this.toolchain, (text) => (this.transcript += text));
    Object.assign(this.stack.workspace.envVars, (await this.plugins).env);
    return watch(operation, (text) => (this.transcript += text));
  }
}

/** What an operation is called with, to be watched. */
interface Watching {
  suppressProgress: true;
  onEvent: (event: EngineEvent) => void;
  onOutput: (text: string) => void;
  onError: (text: string) => void;
}

async function watch(
  operation: (options: Watching) => Promise<unknown>,
  record: (text: string) => void,
): Promise<Outcome> {
  const began = new Map<string, { place: number; at: number }>();
  const outcome: Outcome = { steps: [], counts: {}, output: "" };
  let place = 0;
  const onEvent = (event: EngineEvent): void => {
    // The SDK tells of every resource with its secrets, for --debug; without it the CLI keeps that to itself.
    if (!event.diagnosticEvent?.prefix?.startsWith("debug")) record(`${JSON.stringify(event)}\n`);
    place += 1;
    const pre = event.resourcePreEvent?.metadata;
    const done = event.resOutputsEvent?.metadata;
    const now = { place, at: Date.now() };
    if (pre) began.set(`${pre.op} ${pre.urn}`, now);
    if (done) {
      outcome.counts[done.op] = (outcome.counts[done.op] ?? 0) + 1;
      if (!QUIET_OPS.has(done.op)) {
        const name = done.urn.split("::").at(-1) ?? "";
        const { place: start, at } = began.get(`${done.op} ${done.urn}`) ?? now;
        const step = { name, type: done.type, op: done.op };
        outcome.steps.push({ ...step, began: start, done: place, beganAt: at, doneAt: now.at });
      }
    }
  };
  const onOutput = (text: string) => {
    record(text);
    outcome.output += text;
  };
  await operation({ suppressProgress: true, onEvent, onOutput, onError: record });
  return outcome;
}

const namespaced = (settings: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(settings).map(([key, value]) => [NAMESPACE + key, value]));
