import { z } from "zod";
import { ANSWERS } from "../../components/origin-host/answer.ts";
import { PAYLOADS } from "../../components/origin-host/payload.ts";

/** A JSON Schema, as far as the contract uses it. */
export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  enum?: string[];
  [keyword: string]: unknown;
}

/** One side of the contract with the host agent: the schema of each step's payload or answer. */
export interface Contract {
  $schema: string;
  steps: Record<string, JsonSchema>;
}

/** What each step is told. */
export const payloadContract = (): Contract => contractOf(PAYLOADS);

/** What each step answers. */
export const answerContract = (): Contract => contractOf(ANSWERS);

function contractOf(schemas: Readonly<Record<string, z.ZodType>>): Contract {
  const steps = Object.entries(schemas).map(([step, schema]): [string, JsonSchema] => {
    const { $schema: _, ...own } = z.toJSONSchema(schema);
    return [step, own as JsonSchema];
  });
  return { $schema: "https://json-schema.org/draft/2020-12/schema", steps: Object.fromEntries(steps) };
}
