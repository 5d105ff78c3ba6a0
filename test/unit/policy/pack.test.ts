import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import config from "../../../policy/config.json" with { type: "json" };
import { rules } from "../../../policy/rules.ts";

const names = rules.map(({ name }) => name);

it("docs/pull-requests.md describes every rule of the policy pack", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/pull-requests.md"), "utf8");
  const [, table = ""] = page.split("## The policy pack");
  expect([...table.matchAll(/^\| `([a-z-]+)`/gm)].map(([, name]) => name).sort()).toEqual([...names].sort());
});

it("policy/config.json declares nothing that no rule reads", () => {
  for (const [name, settings] of Object.entries(config)) {
    const schema = rules.find((rule) => rule.name === name)?.configSchema;
    expect(Object.keys(settings), name).toEqual(Object.keys(schema?.properties ?? {}));
  }
});
