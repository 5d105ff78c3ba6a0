// One engine for all resource types: a description of fields and addresses becomes create, read, update and delete.
import { difference } from "../sdk/diff.ts";
import type { Difference } from "../sdk/diff.ts";
import type { Existing, Resource } from "../sdk/plugin.ts";
import type { Failure } from "../sdk/shape.ts";
import { unknown } from "../sdk/values.ts";
import type { Value, Values } from "../sdk/values.ts";
import { ApiError } from "./client.ts";
import type { Client, Json, JsonObject } from "./client.ts";
import { empty, fromWire, inputsOf, same, sorted, trimmed, valueToWire, wireName } from "./fields.ts";
import type { Field, Fields } from "./fields.ts";

/** A resource type of the API. */
export interface Description {
  readonly fields: Fields;
  /** Outputs that are secret by themselves. */
  readonly secrets?: readonly string[];
  /** How it is created. */
  readonly create: { method: "POST" | "PUT" | "PATCH"; path: (values: Values) => string };
  /** Address of an existing one. */
  readonly item: (values: Values, id: string) => string;
  /** How it is updated: at its own address with a method, with the request that creates, or only in the state. */
  readonly update?: "PUT" | "PATCH" | "create" | "state";
  /** How it is deleted: by DELETE at its own address, by a request of its own, or not at all. */
  readonly delete: "DELETE" | "never" | ((values: Values) => { method: string; path: string; body: JsonObject });
  /** Its id. Default: `id` of the answer. */
  readonly id?: (values: Values) => string;
  /** Reads the id that `pulumi import` takes: the id in the state, and the path fields. Absent: it is not imported. */
  readonly imported?: (text: string) => Existing | undefined;
  /** The part of the answer to a write that is about it. Default: all of it. */
  readonly pick?: (result: Json, values: Values) => JsonObject;
  /** Inputs that describe the same thing: when one changes, those that are not given are the API's to say anew. */
  readonly tied?: readonly string[];
  /** Problems of the inputs beyond names and types. */
  readonly check?: (inputs: Values) => Failure[];
  /** Problems that only a creation has. */
  readonly refuse?: (inputs: Values) => string | undefined;
  /** Something the user should know at creation and deletion. */
  readonly warning?: string;
}

const names = (fields: Fields, wanted: (field: Field) => boolean): string[] =>
  Object.entries(fields).flatMap(([name, field]) => (wanted(field) ? [name] : []));

/** Inputs with defaults, and with what the API chose earlier. */
function planned({ fields, tied = [] }: Description, inputs: Values, state: Values | undefined): Values {
  const moved =
    state && tied.some((name) => inputs[name] !== undefined && !same(fields[name]!, state[name], inputs[name]));
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, field]): [string, Value][] => {
      const kept = field.mode === "kept" && !(moved && tied.includes(name)) ? state?.[name] : undefined;
      const value = inputs[name] ?? field.default ?? kept;
      return field.mode === "computed" || value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Explicit nulls for what an object in the state has and the planned one has not. */
function withNulls(wire: Json, before: Json): Json {
  const isObject = (value: Json): value is JsonObject =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject(wire) || !isObject(before)) return wire;
  const gone = Object.keys(before).filter((name) => !(name in wire));
  const entries = Object.entries(wire).map(([name, value]) => [name, withNulls(value, before[name] ?? null)]);
  return sorted({
    ...(Object.fromEntries(entries) as JsonObject),
    ...Object.fromEntries(gone.map((name) => [name, null])),
  });
}

/** The body of a write; of an update when there is a state. */
function body(fields: Fields, plan: Values, state: Values | undefined): JsonObject {
  const wire: JsonObject = {};
  for (const [name, field] of Object.entries(fields)) {
    if (field.mode === "path" || field.mode === "computed") continue;
    const value = plan[name] ?? field.absent;
    const before = state?.[name];
    if (value !== undefined) {
      wire[wireName(name, field)] = withNulls(valueToWire(value, field), valueToWire(before ?? null, field));
    } else if (before !== undefined && field.mode === "optional") {
      wire[wireName(name, field)] = null;
    }
  }
  return sorted(wire);
}

/** The state after a write: computed values from the answer, inputs as planned. */
function written(fields: Fields, plan: Values, state: Values | undefined, result: JsonObject): Values {
  const outputs = { ...plan };
  for (const [name, field] of Object.entries(fields)) {
    if (field.mode !== "computed" && (field.mode !== "kept" || plan[name] !== undefined)) continue;
    const answer = result[wireName(name, field)];
    const value = answer === undefined ? state?.[name] : fromWire(answer, field);
    if (value !== undefined && value !== null) outputs[name] = value;
  }
  return outputs;
}

/** The state after a read: everything that the answer tells, but for differences that mean nothing. */
function refreshed(fields: Fields, state: Values, result: JsonObject): Values {
  const outputs = { ...state };
  for (const [name, field] of Object.entries(fields)) {
    const answer = result[wireName(name, field)];
    if (field.mode === "path" || field.once || answer === undefined) continue;
    let value = fromWire(answer, field);
    if (field.expanded) value = trimmed(value, state[name]);
    if (same(field, state[name], value) || (field.mode === "optional" && empty(state[name]) && empty(value))) continue;
    if (value === null) delete outputs[name];
    else outputs[name] = value;
  }
  return outputs;
}

function differs({ fields }: Description, { state }: Existing, inputs: Values): Difference {
  const compared = names(fields, (field) => field.mode !== "computed");
  const wanted: Values = {};
  for (const name of compared) {
    const field = fields[name]!;
    const given = inputs[name] ?? field.default;
    const before = state[name];
    // Not given and the API's to say, or different only in writing: as it is.
    const unchanged = (given === undefined && field.mode === "kept") || same(field, before, given);
    const value = unchanged || (empty(given) && empty(before) && field.mode === "optional") ? before : given;
    if (value !== undefined) wanted[name] = value;
  }
  return difference(state, wanted, compared, new Set(names(fields, (field) => field.replaces === true)));
}

/** What `pulumi import` names, as far as its id alone tells. */
function imported(description: Description, text: string): Existing {
  if (!description.imported) throw new Error("the stand-in plugin does not import resources of this type");
  const existing = description.imported(text);
  if (!existing) throw new Error(`invalid ID ${JSON.stringify(text)}`);
  return existing;
}

/** Makes a resource type of its description. */
export function resource(description: Description): Resource<Client> {
  const { fields } = description;
  const pick = description.pick ?? ((result: Json) => (result ?? {}) as JsonObject);
  const computed = names(fields, (field) => field.mode === "computed");

  const write = async (client: Client, plan: Values, existing: Existing | undefined, signal: AbortSignal) => {
    const asCreation = existing === undefined || description.update === "create";
    const method = asCreation ? description.create.method : description.update!;
    const path = asCreation ? description.create.path(plan) : description.item(plan, existing.id);
    const result = await client.request(method, path, body(fields, plan, existing?.state), signal);
    return pick(result, plan);
  };

  const made: Resource<Client> = {
    inputs: inputsOf(fields),
    secrets: description.secrets ?? [],
    diff: (existing, inputs) => differs(description, existing, inputs),

    plan(inputs, existing) {
      const plan = planned(description, inputs, existing?.state);
      if (!existing) {
        const open = [...computed, ...names(fields, (field) => field.mode === "kept")].filter(
          (name) => !(name in plan),
        );
        const id = description.id?.(plan) ?? unknown;
        return { ...plan, ...Object.fromEntries(open.map((name) => [name, unknown])), id };
      }
      const changed = Object.keys(differs(description, existing, inputs).paths).map((path) => path.split(/[.[]/)[0]!);
      const outputs: Values = { ...plan, id: existing.id };
      for (const name of computed) {
        const { follows } = fields[name]!;
        const moves = follows === true ? changed.length > 0 : follows?.some((input) => changed.includes(input));
        const value = moves ? unknown : existing.state[name];
        if (value !== undefined) outputs[name] = value;
      }
      return outputs;
    },

    async create(client, inputs, { signal, log }) {
      const refusal = description.refuse?.(inputs);
      if (refusal) throw new Error(refusal);
      const plan = planned(description, inputs, undefined);
      const result = await write(client, plan, undefined, signal);
      if (description.warning) log("warning", description.warning);
      const id = description.id?.(plan) ?? result.id;
      if (typeof id !== "string" || id === "") throw new Error("the API's answer to the creation has no id");
      return { id, state: { ...written(fields, plan, undefined, result), id } };
    },

    async read(client, existing, inputs, { signal, log }) {
      const importing = Object.keys(existing.state).length === 0;
      const { id, state } = importing ? imported(description, existing.id) : existing;
      let result: Json;
      try {
        result = await client.request("GET", description.item(state, id), undefined, signal);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
        log("warning", "The resource was not found on the server and will be removed from state.");
        return undefined;
      }
      const found = refreshed(fields, state, (result ?? {}) as JsonObject);
      const wanted = importing ? names(fields, ({ mode }) => mode !== "computed") : Object.keys(inputs);
      const seen = wanted.flatMap((name): [string, Value][] => {
        const value = found[name];
        return value === undefined || (importing && empty(value)) ? [] : [[name, value]];
      });
      return { ...(importing && { id }), state: { ...found, id }, inputs: Object.fromEntries(seen) };
    },
  };

  if (description.check) made.check = description.check;
  if (description.update) {
    made.update = async (client, existing, inputs, { signal }) => {
      const plan = planned(description, inputs, existing.state);
      const result = description.update === "state" ? {} : await write(client, plan, existing, signal);
      return { ...written(fields, plan, existing.state, result), id: existing.id };
    };
  }
  made.delete = async (client, { id, state }, { signal, log }) => {
    if (description.delete === "DELETE") {
      await client.request("DELETE", description.item(state, id), undefined, signal);
    } else if (description.delete !== "never") {
      const request = description.delete(state);
      await client.request(request.method, request.path, request.body, signal);
    }
    if (description.warning) log("warning", description.warning);
  };
  return made;
}
