// Property values between the engine's wire form and plain JavaScript.
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import type { JavaScriptValue, Struct } from "google-protobuf/google/protobuf/struct_pb.js";

/** A value that is not known yet: in a preview, one that only an update will produce. */
export const unknown: unique symbol = Symbol("unknown");

/** A property value. */
export type Value = null | boolean | number | string | typeof unknown | Value[] | { [name: string]: Value };

/** Named values: the inputs or the outputs of a resource. A name with `undefined` counts as absent. */
export type Values = Record<string, Value>;

/** Values with the names of those that hold a secret anywhere inside. */
export interface Bag {
  values: Values;
  secrets: ReadonlySet<string>;
}

// Markers of the engine's wire protocol (pulumi/pulumi, sdk/go/common/resource/properties.go and sig.go).
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unwrap(raw: unknown, sawSecret: () => void): Value {
  if (raw === unknownText) return unknown;
  if (Array.isArray(raw)) return raw.map((item) => unwrap(item, sawSecret));
  if (!isObject(raw)) return raw as null | boolean | number | string;
  if (raw[signatureKey] === secretSignature) {
    sawSecret();
    return unwrap(raw.value, sawSecret);
  }
  if (raw[signatureKey] !== undefined) {
    throw new Error("assets, archives and references to resources are not supported by the stand-in plugins");
  }
  return Object.fromEntries(Object.entries(raw).map(([name, value]) => [name, unwrap(value, sawSecret)]));
}

/** Reads a message from the engine. Nulls at the top count as absent. */
export function decode(message: Struct | undefined): Bag {
  const secrets = new Set<string>();
  const values: Values = {};
  for (const [name, raw] of Object.entries(message?.toJavaScript() ?? {})) {
    const value = unwrap(raw, () => secrets.add(name));
    if (value !== null) values[name] = value;
  }
  return { values, secrets };
}

function wrap(value: Value): JavaScriptValue {
  if (value === unknown) return unknownText;
  if (Array.isArray(value)) return value.map(wrap);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [name, wrap(item)]),
  );
}

/** Writes a message for the engine; values named in `secrets` are marked as secret. */
export function encode(values: Values, secrets: Iterable<string> = []): Struct {
  const marked = new Set(secrets);
  const wire = Object.entries(values)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]): [string, JavaScriptValue] => [
      name,
      marked.has(name) ? { [signatureKey]: secretSignature, value: wrap(value) } : wrap(value),
    ]);
  return struct.Struct.fromJavaScript(Object.fromEntries(wire));
}

/** Structural equality; something unknown equals nothing, itself included. */
export function equal(left: Value | undefined, right: Value | undefined): boolean {
  if (left === unknown || right === unknown) return false;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => equal(item, right[index]));
  }
  if (isObject(left) && isObject(right)) {
    const names = new Set([...Object.keys(left), ...Object.keys(right)]);
    return [...names].every((name) => equal(left[name], right[name]));
  }
  return left === right;
}
