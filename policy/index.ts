import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PolicyPack, type PolicyPackConfig } from "@pulumi/policy";
import { rules } from "./rules.ts";

/** Exceptions and limits that this checkout declares for the rules; reviewed like any other change. */
const declared = JSON.parse(readFileSync(join(import.meta.dirname, "config.json"), "utf8")) as Record<string, object>;

// Sets the level again: a rule that is configured without a level becomes advisory.
const enforcementLevel = "mandatory";
const config: PolicyPackConfig = Object.fromEntries(
  Object.entries(declared).map(([rule, settings]) => [rule, { enforcementLevel, ...settings }]),
);

new PolicyPack("immich-access", { policies: rules, enforcementLevel }, config);
