import { join } from "node:path";
import { sandboxSettings } from "../../dev/commands/sandbox-settings.ts";
import { edgeEnvironment } from "../../dev/sandbox/lifecycle.ts";
import { Deployment, PROJECT } from "../e2e/support/deployment.ts";
import { startWorld, type World } from "../e2e/support/world.ts";
import { type Checkpoint, folderOf, plainSettings, readCheckpoint, type State } from "./checkpoint.ts";
import { unpackProgram, useProgram } from "./program.ts";

/** The recorded stack with whose settings a version is deployed: Immich and public shares on one host. */
const RECORDED = "public-shares.json";

const KEYS = "/root/.ssh/authorized_keys";

/** A sandbox in which a released version of the program and this one take turns on the same stack. */
export class UpgradedStack {
  public readonly world: World;
  public readonly deployment: Deployment;
  /** The same stack as the version's own sandbox had it. */
  public readonly checkpoint: Checkpoint;
  private readonly released: string;

  private constructor(world: World, deployment: Deployment, checkpoint: Checkpoint, released: string) {
    this.world = world;
    this.deployment = deployment;
    this.checkpoint = checkpoint;
    this.released = released;
  }

  /** Starts the sandbox; the stack is configured as that version was, and nothing is deployed yet. */
  public static async start(version: string): Promise<UpgradedStack> {
    const world = await startWorld();
    const deployment = await Deployment.create(true, undefined, edgeEnvironment(world));
    const checkpoint = readCheckpoint(join(folderOf(version), RECORDED));
    const { plain, secret } = sandboxSettings(world.sandbox);
    await deployment.configure({ ...plainSettings(checkpoint.config), ...plain }, secret);
    const released = await unpackProgram(version, join(deployment.folder, version));
    return new UpgradedStack(world, deployment, checkpoint, released);
  }

  /** The version's program from now on. */
  public useReleased(): void {
    useProgram(this.deployment, this.released, this.checkpoint.recorded);
  }

  /** This program from now on. */
  public useThis(): void {
    useProgram(this.deployment, PROJECT, this.checkpoint.recorded);
  }

  public async state(): Promise<State> {
    return JSON.parse(await this.deployment.exportState()) as State;
  }

  /**
   * Runs work while a step on the host fails.
   * @param effect `none`: the step does not run; `all`: it does all its work, and its success is lost
   */
  public async whileFailing(step: string, effect: "none" | "all", work: () => Promise<void>): Promise<void> {
    const lost = effect === "all" ? 'eval "$SSH_ORIGINAL_COMMAND"; ' : "";
    const script = `case "$SSH_ORIGINAL_COMMAND" in *" ${step}") ${lost}exit 1 ;; *) eval "$SSH_ORIGINAL_COMMAND" ;; esac`;
    await this.onHost("cat >/root/forced && chmod 755 /root/forced", `#!/bin/sh\n${script}\n`);
    await this.onHost(`cp -p ${KEYS} /root/keys && sed -i 's|^|command="/root/forced" |' ${KEYS}`);
    try {
      await work();
    } finally {
      await this.onHost(`mv /root/keys ${KEYS} && rm /root/forced`);
    }
  }

  /** What a shell command line prints on the host. Throws if it fails. */
  public async onHost(command: string, input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.world.sandbox.runOnHost(["sh", "-c", command], { input });
    if (code !== 0) throw new Error(`«${command}» failed on the host: ${stderr.trim()}`);
    return stdout;
  }

  public async close(): Promise<void> {
    await this.deployment.dispose();
    await this.world.close();
  }
}
