// Whether a test without a host notices when one side of the contract with the host agent is changed alone: each field
// of each payload is renamed in TypeScript only, and each field of each answer in Python only.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StepName } from "../../components/origin-host/payload.ts";
import { answerContract, type JsonSchema, payloadContract } from "../../dev/contract/schema.ts";
import { PYTHON } from "../support/python.ts";
import { allPayloads, readByAgent, type ToldStep } from "../unit/support/payloads.ts";

/** A field by the names that lead to it; items of lists and values of maps have none. */
type Path = readonly string[];

/** All fields of a schema. */
function fieldsOf(schema: JsonSchema, path: Path = []): Path[] {
  const { properties = {}, items, anyOf = [], additionalProperties } = schema;
  const inner = typeof additionalProperties === "object" ? [additionalProperties as JsonSchema] : [];
  return [
    ...Object.entries(properties).flatMap(([name, own]) => [[...path, name], ...fieldsOf(own, [...path, name])]),
    ...[...(items ? [items] : []), ...anyOf, ...inner].flatMap((own) => fieldsOf(own, path)),
  ];
}

const RENAMED = "Renamed";

/** A payload in which the field is called otherwise. */
function rename(value: unknown, [name = "", ...rest]: Path): unknown {
  if (Array.isArray(value)) return value.map((item) => rename(item, [name, ...rest]));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, own]) => {
      if (key !== name) return [key, own];
      return rest.length === 0 ? [`${key}${RENAMED}`, own] : [key, rename(own, rest)];
    }),
  );
}

/** A schema in which the field is called otherwise, as `npm run contract` would write it. */
function renameInSchema(schema: JsonSchema, [name = "", ...rest]: Path): JsonSchema {
  const own = schema.properties?.[name];
  if (own) {
    const fields = Object.entries(schema.properties ?? {}).map(([key, field]) => {
      if (key !== name) return [key, field];
      return rest.length === 0 ? [`${key}${RENAMED}`, field] : [key, renameInSchema(field, rest)];
    });
    const required = (schema.required ?? []).map((key) => (key === name && rest.length === 0 ? key + RENAMED : key));
    return { ...schema, properties: Object.fromEntries(fields) as Record<string, JsonSchema>, required };
  }
  const path = [name, ...rest];
  return {
    ...schema,
    ...(schema.items && { items: renameInSchema(schema.items, path) }),
    ...(schema.anyOf && { anyOf: schema.anyOf.map((one) => renameInSchema(one, path)) }),
  };
}

const PAYLOADS = payloadContract();

const payloadFields = Object.entries(PAYLOADS.steps).flatMap(([step, schema]) =>
  fieldsOf(schema).map((path) => ({ step: step as StepName, path, field: path.join(".") })),
);

/** What the removal reads of the payload that it has in common with the step `firewall`. */
const READ_BY_REMOVAL = ["owner", "sites", "sites.hostname"];

/** Whether the host reads a field, and so misses it under another name. `after` is there only to run a step again. */
const isRead = ({ step, field }: { step: StepName; field: string }): boolean =>
  field !== "after" && (step !== "firewall-remove" || READ_BY_REMOVAL.includes(field));

describe("a field of a payload that is renamed in TypeScript only", () => {
  const readFields = payloadFields.filter(isRead);
  /** What the agent says, in the order of the fields: with its schema, and with one that has the new name. */
  let [before, after]: (string | null)[][] = [[], []];

  beforeAll(async () => {
    const told = await allPayloads();
    const renamed = (step: StepName, path: Path) =>
      told.filter(([name]) => name === step).map(([name, payload]): ToldStep => [name, rename(payload, path)]);
    before = readByAgent(
      payloadFields.map(({ step, path }) => ({ payloads: renamed(step, path), schema: JSON.stringify(PAYLOADS) })),
    );
    after = readByAgent(
      readFields.map(({ step, path }) => {
        const steps = { ...PAYLOADS.steps, [step]: renameInSchema(PAYLOADS.steps[step] ?? {}, path) };
        return { payloads: renamed(step, path), schema: JSON.stringify({ ...PAYLOADS, steps }) };
      }),
    );
  }, 120_000);

  it.each(payloadFields.map((field, index) => ({ ...field, index })))(
    "the agent's schema refuses a payload field that is renamed in TypeScript only: $step, $field",
    ({ path, index }) => {
      expect(before?.[index]).toContain(`${path.at(-1) ?? ""}${RENAMED} is unknown`);
    },
  );

  it.each(readFields.map((field, index) => ({ ...field, index })))(
    "the agent misses a renamed payload field even if the schema has the new name: $step, $field",
    ({ path, index }) => {
      expect(after?.[index]).toBe(`KeyError: '${path.at(-1) ?? ""}'`);
    },
  );
});

describe("a field of an answer that is renamed in Python only", () => {
  const host = join(import.meta.dirname, "../../host");
  const copy = mkdtempSync(join(tmpdir(), "immich-access-mutations-"));
  const names = new Set(Object.values(answerContract().steps).flatMap((schema) => fieldsOf(schema).flat()));
  const file = join("agent", "answer.py");

  beforeAll(() => {
    cpSync(host, copy, { recursive: true });
  });
  afterAll(() => {
    rmSync(copy, { recursive: true });
  });

  const test = () =>
    spawnSync(PYTHON, ["-B", "-m", "unittest", "tests.test_contract.Answers"], { cwd: copy, encoding: "utf8" });

  it("the test of the answers passes without a mutation", () => {
    expect(test().status).toBe(0);
  });

  it.each([...names])("the test of the answers fails if a field is renamed in Python only: %s", (name) => {
    const text = readFileSync(join(host, file), "utf8");
    const mutated = text.replaceAll(`"${name}"`, `"${name}${RENAMED}"`);
    expect(mutated).not.toBe(text);
    writeFileSync(join(copy, file), mutated);
    const { status, stderr } = test();
    writeFileSync(join(copy, file), text);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/^FAILED \(/m);
  });
});
