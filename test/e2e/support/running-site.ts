import type { State } from "../../../dev/sandbox/api/state.ts";
import type { Outcome } from "./deployment.ts";
import { type Outputs, startWorld, type World } from "./world.ts";

/** A world's first site, which runs while its settings are changed. */
export class RunningSite {
  public readonly world: World;
  /** The API's, since the last change. */
  public state: State;
  /** What the first `up` did. */
  public readonly first: Outcome;
  /** Since the last change, as soon as somebody has asked for them. */
  private known: Promise<Outputs> | undefined;

  private constructor(world: World, first: Outcome, state: State) {
    this.world = world;
    this.first = first;
    this.state = state;
  }

  /** @param policyPacks folders of the policy packs that the first `up` has to pass. */
  public static async start(policyPacks: string[] = []): Promise<RunningSite> {
    const world = await startWorld();
    const first = await world.deployment.up(policyPacks);
    return new RunningSite(world, first, await world.api.state());
  }

  /** Sets settings, if any, and runs `up`. */
  public async change(settings: Readonly<Record<string, unknown>>, policyPacks: string[] = []): Promise<Outcome> {
    await this.world.deployment.configure(settings);
    const outcome = await this.world.deployment.up(policyPacks);
    this.known = undefined;
    this.state = await this.world.api.state();
    return outcome;
  }

  public outputs(): Promise<Outputs> {
    this.known ??= this.world.deployment.outputs<Outputs>();
    return this.known;
  }

  /** What Immich's ping answers to a device. */
  public async pinged(device = "annas-phone"): Promise<number> {
    const { devices } = await this.outputs();
    return (await this.world.visit("/api/server/ping", devices[device])).status;
  }

  /** The value of one of the zone's settings, since the last change. */
  public zoneSetting(id: string): unknown {
    return this.state.zones[0]?.settings[id]?.value;
  }

  /** What a command prints on the host. */
  public async onHost(...command: string[]): Promise<string> {
    return (await this.world.sandbox.runOnHost(command)).stdout;
  }
}

/** Names of the resources that an operation changed, components apart, in the order in which it was done with them. */
export const changed = ({ steps }: Outcome): string[] =>
  steps
    .filter(({ type }) => !type.startsWith("immich-access:"))
    .toSorted((one, other) => one.done - other.done)
    .map(({ name }) => name);
