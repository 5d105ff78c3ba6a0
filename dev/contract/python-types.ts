import type { Contract, JsonSchema } from "./schema.ts";

const HEADER = `"""What each step is told, as types: \`npm run contract\` writes them from components/origin-host/payload.ts."""

from __future__ import annotations

from typing import Literal, TypedDict
`;

const PRIMITIVES: Readonly<Record<string, string>> = {
  string: "str",
  integer: "int",
  number: "float",
  boolean: "bool",
  null: "None",
};

/**
 * The payloads as Python's typed dictionaries, so that its type checker knows each field by name.
 * @throws Error for a schema that has no type in Python
 */
export function pythonTypes({ steps }: Contract): string {
  const classes: string[] = [];
  for (const [step, schema] of Object.entries(steps)) typeOf(schema, `${pascal(step)}Payload`, classes);
  return [HEADER, ...classes].join("\n\n");
}

/** The type of a schema; what is an object becomes a class of this name. */
function typeOf(schema: JsonSchema, name: string, classes: string[]): string {
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, name, classes)).join(" | ");
  if (schema.enum) return `Literal[${schema.enum.map((value) => JSON.stringify(value)).join(", ")}]`;
  if (schema.properties) return classOf(schema.properties, name, classes);
  if (schema.items) return `list[${typeOf(schema.items, name.replace(/s$/, ""), classes)}]`;
  const names = [schema.type ?? ""].flat().map((type) => PRIMITIVES[type]);
  if (names.includes(undefined)) throw new Error(`${name}: no type in Python for ${JSON.stringify(schema)}`);
  return names.join(" | ");
}

function classOf(properties: Readonly<Record<string, JsonSchema>>, name: string, classes: string[]): string {
  const fields = Object.entries(properties).map(
    ([field, schema]) => `    ${field}: ${typeOf(schema, name + pascal(field), classes)}`,
  );
  classes.push([`class ${name}(TypedDict):`, ...fields].join("\n") + "\n");
  return name;
}

const pascal = (text: string) =>
  text
    .split("-")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
