// The shape of inputs: which properties there are and of which type. Everything else is refused by name.
import { unknown } from "./values.ts";
import type { Value, Values } from "./values.ts";

/** A type: a plain one, a list (`[element]`), or an object with its properties. */
export type Type = "string" | "number" | "boolean" | "any" | readonly [Type] | Properties | MapOf;

/** An object with free names. */
export interface MapOf {
  /** Type of every value. */
  readonly valueType: Type;
}

/** One property of an object. */
export interface Property {
  readonly type: Type;
  readonly required?: true;
  /** The values it may have. */
  readonly oneOf?: readonly (string | number)[];
}

/** The properties of an object by name. */
export interface Properties {
  readonly properties: Readonly<Record<string, Property>>;
}

/** A refused property. The reason never holds the value, which may be secret. */
export interface Failure {
  property: string;
  reason: string;
}

function known(properties: Properties["properties"]): string {
  return Object.keys(properties).sort().join(", ");
}

function checkValue(value: Value, type: Type, path: string, failures: Failure[]): void {
  if (value === unknown || type === "any") return;
  const wrong = (wanted: string) => failures.push({ property: path, reason: `must be ${wanted}` });
  if (typeof type === "string") {
    if (typeof value !== type) wrong(`a ${type}`);
  } else if ("properties" in type) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) wrong("an object");
    else checkObject(value, type.properties, path, failures);
  } else if ("valueType" in type) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) wrong("an object");
    else
      for (const [name, item] of Object.entries(value)) checkValue(item, type.valueType, `${path}.${name}`, failures);
  } else if (!Array.isArray(value)) {
    wrong("a list");
  } else {
    for (const [index, item] of value.entries()) checkValue(item, type[0], `${path}[${index}]`, failures);
  }
}

function checkObject(values: Values, properties: Properties["properties"], path: string, failures: Failure[]): void {
  const at = (name: string) => (path === "" ? name : `${path}.${name}`);
  for (const [name, value] of Object.entries(values)) {
    const property = properties[name];
    if (property === undefined) {
      failures.push({
        property: at(name),
        reason: `is not known to the stand-in plugin, which has: ${known(properties)}`,
      });
    } else if (value !== null) {
      checkValue(value, property.type, at(name), failures);
      if (property.oneOf && value !== unknown && !(property.oneOf as readonly Value[]).includes(value)) {
        failures.push({ property: at(name), reason: `must be one of: ${property.oneOf.join(", ")}` });
      }
    }
  }
  for (const [name, property] of Object.entries(properties)) {
    if (property.required && (values[name] === undefined || values[name] === null)) {
      failures.push({ property: at(name), reason: "is required" });
    }
  }
}

/** Everything that is wrong with `values`; empty when nothing is. */
export function check(values: Values, properties: Properties["properties"]): Failure[] {
  const failures: Failure[] = [];
  checkObject(values, properties, "", failures);
  return failures;
}
