import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PolicyPack, type PolicyPackConfig } from "@pulumi/policy";
import { rules } from "./rules.ts";

/** What this checkout declares about its site, as far as a rule asks for it; reviewed like any other change. */
const declared = JSON.parse(readFileSync(join(import.meta.dirname, "config.json"), "utf8")) as Record<string, object>;

// A rule that is configured without a level would otherwise become advisory.
const enforcementLevel = "mandatory";
const config: PolicyPackConfig = Object.fromEntries(
  Object.entries(declared).map(([rule, settings]) => [rule, { enforcementLevel, ...settings }]),
);

new PolicyPack("immich-access", { policies: rules, enforcementLevel }, config);
