// Properties of a resource and their names and values on the wire.
import type { Property, Type } from "../sdk/shape.ts";
import { equal } from "../sdk/values.ts";
import type { Value, Values } from "../sdk/values.ts";
import type { Json, JsonObject } from "./client.ts";

/** One property of a resource, as the official plugin's schema has it. */
export interface Field {
  readonly type: Type;
  /**
   * - `path`: part of the address, never of the body;
   * - `required`, `optional`: an input; the answer to a write does not change it;
   * - `kept`: an input that takes the API's value when it is not given, and keeps it;
   * - `computed`: no input.
   */
  readonly mode: "path" | "required" | "optional" | "kept" | "computed";
  /** Name on the wire. Default: the name in snake_case. */
  readonly api?: string;
  /** Value when it is not given. */
  readonly default?: Value;
  readonly oneOf?: readonly (string | number)[];
  /** A change replaces the resource. */
  readonly replaces?: true;
  /** Not taken from the answer to a read. */
  readonly once?: true;
  /** The value goes over the wire as it is, names inside included. */
  readonly raw?: true;
  /** Names on the wire of properties of the value, where they are not the snake_case of their own. */
  readonly inside?: Readonly<Record<string, string>>;
  /** The output is the JSON text of the value on the wire. */
  readonly json?: true;
  /** Of a path: only one of several such fields is given. */
  readonly either?: true;
  /** Sent also when it is not given, as this; the state does not have it then. */
  readonly absent?: Value;
  /** The order of the list does not matter. */
  readonly unordered?: true;
  /** The API answers with more per element than was sent: only what the state has is kept. */
  readonly expanded?: true;
  /** Equality other than the structural one. */
  readonly same?: (left: Value, right: Value) => boolean;
  /** Of a computed property: it changes with any update (`true`), or with these inputs. Default: it stays. */
  readonly follows?: true | readonly string[];
}

/** Fields by name. */
export type Fields = Readonly<Record<string, Field>>;

/** snake_case of a camelCase name. */
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** camelCase of a snake_case name. */
export const camel = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());

/** A field's name on the wire. */
export const wireName = (name: string, field: Field): string => field.api ?? snake(name);

const isObject = <T>(value: T): value is T & { [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The inputs of some fields, for the check of names and types. */
export function inputsOf(fields: Fields): Record<string, Property> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, field]) => field.mode !== "computed")
      .map(([name, { type, mode, oneOf, either }]) => [
        name,
        {
          type,
          ...(mode === "required" || (mode === "path" && !either) ? { required: true } : {}),
          ...(oneOf ? { oneOf } : {}),
        },
      ]),
  );
}

/** A value as it goes over the wire: names in snake_case, objects sorted by name. */
export function toWire(value: Value, raw = false): Json {
  if (Array.isArray(value)) return value.map((item) => toWire(item, raw));
  if (!isObject(value)) return value as Json;
  const entries = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
  return sorted(
    Object.fromEntries(entries.map(([name, item]) => [raw ? name : snake(name), toWire(item as Value, raw)])),
  );
}

/** A field's value as it goes over the wire. */
export function valueToWire(value: Value, { raw, inside }: Field): Json {
  const wire = toWire(value, raw);
  return inside && isObject(wire) ? sorted(renamed(wire as JsonObject, inside)) : wire;
}

/** An object with other names; those that `names` does not have stay. */
const renamed = <T>(object: Readonly<Record<string, T>>, names: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(object).map(([name, item]) => [names[name] ?? name, item]));

/** An object with its names in alphabetical order. */
export function sorted(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).sort(([left], [right]) => (left < right ? -1 : 1)));
}

function fromWireType(value: Json, type: Type): Value {
  if (Array.isArray(value)) {
    const element = typeof type === "object" && Array.isArray(type) ? (type as readonly [Type])[0] : "any";
    return value.map((item) => fromWireType(item, element));
  }
  if (!isObject(value)) return value;
  const properties = typeof type === "object" && "properties" in type ? type.properties : undefined;
  const entries = Object.entries(value as JsonObject)
    .map(([name, item]) => [camel(name), item] as const)
    .filter(([name, item]) => item !== null && (properties === undefined || name in properties))
    .map(([name, item]) => [name, fromWireType(item, properties?.[name]?.type ?? "any")]);
  return Object.fromEntries(entries) as Values;
}

/** A value from the wire: names in camelCase, without what the field's type does not have. */
export function fromWire(value: Json, field: Field): Value {
  if (value === null) return null;
  if (field.json) return typeof value === "string" ? value : JSON.stringify(value);
  if (field.inside && isObject(value)) {
    const back = Object.fromEntries(Object.entries(field.inside).map(([name, wire]) => [wire, name]));
    return fromWireType(renamed(value as JsonObject, back), field.type);
  }
  return field.raw ? value : fromWireType(value, field.type);
}

const text = (value: Value) => JSON.stringify(toWire(value, true));

/** Whether two values of a field mean the same. */
export function same(field: Field, left: Value | undefined, right: Value | undefined): boolean {
  if (equal(left, right)) return true;
  if (left === undefined || right === undefined) return false;
  if (field.same) return field.same(left, right);
  if (field.unordered && Array.isArray(left) && Array.isArray(right)) {
    return equal(left.map(text).sort(), right.map(text).sort());
  }
  return false;
}

/** Whether a value says nothing: the API and the program may differ in writing it or not. */
export function empty(value: Value | undefined): boolean {
  if (value === undefined || value === null || value === false || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

/** A list with only those properties per element that the state's element at the same place has. */
export function trimmed(list: Value, state: Value | undefined): Value {
  if (!Array.isArray(list) || !Array.isArray(state)) return list;
  return list.map((item, index) => {
    const known = state[index];
    if (!isObject(item) || !isObject(known)) return item;
    return Object.fromEntries(Object.entries(item).filter(([name]) => name in known)) as Values;
  });
}
