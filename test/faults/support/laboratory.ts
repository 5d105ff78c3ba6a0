// A world in which operations are made to fail again and again: its state before each of them is saved and restored, and
// the result without a fault is known.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Entry } from "../../../dev/sandbox/api/journal.ts";
import type { Host } from "../../../dev/sandbox/host/host.ts";
import { hostLayer } from "../../../dev/sandbox/host/layer.ts";
import { hostOf } from "../../../dev/sandbox/parts.ts";
import { startWorld, type World } from "../../e2e/support/world.ts";
import { fingerprint, type Fingerprint } from "./fingerprint.ts";
import { type Moment, prepareTracing, recordMoments } from "./moments.ts";
import { type Operation, perform, prepare } from "./operations.ts";
import { SshRelay } from "./relay.ts";
import { restore, save } from "./snapshot.ts";

/** What an operation does and leaves when nothing fails. */
export interface Reference {
  fingerprint: Fingerprint;
  /** Its requests that change something, in order. */
  requests: Entry[];
  /** The moments of its steps on the host, in order. */
  moments: Moment[];
}

export class Laboratory {
  public readonly world: World;
  public readonly host: Host;
  public readonly relay: SshRelay;
  private readonly folder: string;
  private readonly references = new Map<Operation, Reference>();
  private at: Operation | "start" | undefined = "start";

  private constructor(world: World, host: Host, relay: SshRelay) {
    this.world = world;
    this.host = host;
    this.relay = relay;
    this.folder = mkdtempSync(join(world.stateDir, "snapshots-"));
  }

  /** Starts a world and learns what the operation does when nothing fails. */
  public static async open(operations: readonly Operation[]): Promise<Laboratory> {
    await prepareTracing();
    const world = await startWorld(false);
    const layer = await hostLayer(console.log);
    const host = hostOf(world.stateDir, world.sandbox.number, layer);
    const relay = await SshRelay.start(host.address);
    await world.deployment.configure({ sshAddress: "127.0.0.1", sshPort: relay.port });
    const laboratory = new Laboratory(world, host, relay);
    await save(world, laboratory.base("up"));
    await laboratory.learn("up");
    const later = operations.filter((operation) => operation !== "up");
    if (later.length > 0) await save(world, laboratory.base("update"));
    for (const operation of later) await laboratory.learn(operation);
    return laboratory;
  }

  /** What an operation does when nothing fails; it must have been among those that were asked for. */
  public reference(operation: Operation): Reference {
    const found = this.references.get(operation);
    if (!found) throw new Error(`nothing has been learnt about ${operation}`);
    return found;
  }

  /** Makes the world as it is before an operation. */
  public async ready(operation: Operation): Promise<void> {
    this.relay.reset();
    const ready = operation === "up" ? this.at === "start" : this.at === "up";
    if (!ready) await restore(this.world, this.host, this.base(operation));
    this.at = undefined;
    await prepare(this.world, operation);
  }

  public async close(): Promise<void> {
    await this.relay.close();
    await this.world.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private base(operation: Operation): string {
    return join(this.folder, operation === "up" ? "nothing" : "site");
  }

  private async learn(operation: Operation): Promise<void> {
    await this.ready(operation);
    const { api } = this.world;
    const since = (await api.requests()).at(-1)?.id ?? 0;
    const recording = await recordMoments(this.hostPid);
    await perform(this.world, operation);
    const moments = await recording.end();
    const requests = (await api.requests(since)).filter(({ method }) => method !== "GET");
    this.references.set(operation, { fingerprint: await fingerprint(this.world), requests, moments });
    this.at = operation;
  }

  /** The process id of the host's systemd. */
  public get hostPid(): number {
    const { pid } = this.host;
    if (pid === undefined) throw new Error("the sandbox host does not run");
    return pid;
  }
}
