import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  LocalWorkspace,
  PulumiCommand,
  type EngineEvent,
  type OutputMap,
  type PreviewOptions,
  type Stack,
} from "@pulumi/pulumi/automation/index.js";
import { mirrorProject } from "../../../sandbox/dev/project.ts";
import { run } from "../../../sandbox/run.ts";
import { resolveToolchain } from "../../../toolchain/index.ts";

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
  private readonly pulumi: string;
  private lastOutputs: OutputMap = {};

  private constructor(stack: Stack, folder: string, pulumi: string) {
    this.stack = stack;
    this.folder = folder;
    this.pulumi = pulumi;
  }

  public static async create(): Promise<Deployment> {
    const toolchain = await resolveToolchain({ projectDir: PROJECT, stateDir: join(PROJECT, ".state") });
    const folder = mkdtempSync(join(tmpdir(), "immich-access-e2e-"));
    const workDir = join(folder, "project");
    mirrorProject(PROJECT, workDir);
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
          PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString("hex"),
          SSH_AUTH_SOCK: "",
        },
      },
    );
    return new Deployment(stack, folder, toolchain.pulumi);
  }

  /** Sets settings; lists and objects replace what was there. */
  public async configure(settings: Readonly<Record<string, unknown>>, secret: Readonly<Record<string, string>> = {}) {
    await this.edit((config) => Object.assign(config, namespaced(settings)));
    for (const [key, value] of Object.entries(secret)) await this.setSecret(key, value);
  }

  /** By the CLI's standard input; the SDK would put the value into its arguments, for everyone to see. */
  private async setSecret(key: string, value: string): Promise<void> {
    const { workDir, envVars } = this.stack.workspace;
    const set = ["config", "set", "--stack", this.stack.name, "--secret", "--non-interactive", key];
    const { code, stderr } = await run(["env", "-C", workDir, this.pulumi, ...set], { input: value, env: envVars });
    if (code !== 0) throw new Error(`${key} cannot be set: ${stderr}`);
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
    return watch(async (onEvent, onOutput) => {
      const result = await this.stack.up({ onEvent, onOutput, suppressProgress: true, policyPacks });
      this.lastOutputs = result.outputs;
    });
  }

  public preview(options: Pick<PreviewOptions, "policyPacks" | "refresh" | "expectNoChanges"> = {}): Promise<Outcome> {
    return watch((onEvent, onOutput) => this.stack.preview({ onEvent, onOutput, suppressProgress: true, ...options }));
  }

  public refresh(): Promise<Outcome> {
    return watch((onEvent, onOutput) => this.stack.refresh({ onEvent, onOutput, suppressProgress: true }));
  }

  public destroy(): Promise<Outcome> {
    return watch((onEvent, onOutput) => this.stack.destroy({ onEvent, onOutput, suppressProgress: true }));
  }

  /** Asks for the stack's outputs after an `up` of somebody else. */
  public async readOutputs(): Promise<void> {
    this.lastOutputs = await this.stack.outputs();
  }

  /** The stack's outputs after the last `up` of this object that succeeded, secrets in the clear. */
  public outputs<T>(): T {
    return Object.fromEntries(Object.entries(this.lastOutputs).map(([key, { value }]) => [key, value as unknown])) as T;
  }

  /** Forgets the stack without touching what it made. */
  public dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

type Watch = (onEvent: (event: EngineEvent) => void, onOutput: (text: string) => void) => Promise<unknown>;

async function watch(operation: Watch): Promise<Outcome> {
  const began = new Map<string, { place: number; at: number }>();
  const outcome: Outcome = { steps: [], counts: {}, output: "" };
  let place = 0;
  const onEvent = (event: EngineEvent): void => {
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
  await operation(onEvent, (text) => (outcome.output += text));
  return outcome;
}

const namespaced = (settings: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(settings).map(([key, value]) => [NAMESPACE + key, value]));
