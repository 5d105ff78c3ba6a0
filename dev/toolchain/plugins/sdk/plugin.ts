// What a stand-in plugin is made of.
import type { Difference } from "./diff.ts";
import type { Failure, Property } from "./shape.ts";
import type { Values } from "./values.ts";

/** What an operation may use besides its values. */
export interface Context {
  urn: string;
  /** Aborted when the engine cancels, or after the resource's own timeout. */
  signal: AbortSignal;
  /** Tells the user something while the operation runs. `status` lines are shown in passing and not kept. */
  readonly log: (severity: "info" | "warning", message: string, status?: boolean) => void;
}

/** What an operation gets of a resource that exists. */
export interface Existing {
  id: string;
  /** Outputs in the state. */
  state: Values;
}

/** A resource as read from outside. */
export interface Found {
  /** Its id, where an import asked for it by another. */
  id?: string;
  state: Values;
  /** The inputs that would lead to this state. */
  inputs: Values;
}

/**
 * One resource type. `Client` is what the plugin's `configure` made of the provider's configuration.
 * Values of a preview may be unknown; those of the other operations are not.
 */
export interface Resource<Client> {
  /** Inputs; a property that is not here is refused. */
  readonly inputs: Readonly<Record<string, Property>>;
  /** Outputs that are secret whatever the inputs are. */
  readonly secrets: readonly string[];
  /** Problems of the inputs beyond names and types. */
  check?(inputs: Values): Failure[];
  /** What separates the wanted inputs from the state. */
  diff(existing: Existing, inputs: Values): Difference;
  /** The outputs as far as a preview can tell them. `existing` is absent for a creation. */
  plan(inputs: Values, existing: Existing | undefined): Values;
  create(client: Client, inputs: Values, context: Context): Promise<Existing>;
  /** Absent: the state is taken as it is. `undefined` answers that the resource is gone. */
  read?(client: Client, existing: Existing, inputs: Values, context: Context): Promise<Found | undefined>;
  /** Absent: every difference replaces. */
  update?(client: Client, existing: Existing, inputs: Values, context: Context): Promise<Values>;
  /** Absent: nothing to do outside. */
  delete?(client: Client, existing: Existing, context: Context): Promise<void>;
}

/** A provider plugin. */
export interface Plugin<Client> {
  readonly name: string;
  readonly version: string;
  /** The provider's own configuration. Its values arrive as text, whatever their type. */
  readonly config: Readonly<Record<string, Property>>;
  checkConfig?(config: Values): Failure[];
  configure(config: Values): Client;
  readonly resources: Readonly<Record<string, Resource<Client>>>;
  readonly functions: Readonly<Record<string, Lookup<Client>>>;
}

/** A function of a provider (`getSomething`). */
export interface Lookup<Client> {
  readonly inputs: Readonly<Record<string, Property>>;
  invoke(client: Client, inputs: Values, context: Omit<Context, "urn">): Promise<Values>;
}
