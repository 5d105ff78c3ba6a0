// What a version says about itself: the changelog, and the packages that must not move by themselves.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import manifest from "../../package.json" with { type: "json" };
import { standIns } from "../../dev/toolchain/offline.ts";
import { TOLD } from "../upgrades/changes.ts";
import { programs } from "../upgrades/program.ts";

const root = join(import.meta.dirname, "../..");
const read = (name: string) => readFileSync(join(root, name), "utf8");

/** The sections of the changelog by their versions, the newest first. */
const sections = read("CHANGELOG.md")
  .split(/^## /m)
  .slice(1)
  .map((text) => ({ version: /^\S+/.exec(text)?.[0] ?? "", text: text.replaceAll(/\s+/g, " ") }));

it("the changelog has this version first, and every version of which there is a checkpoint", () => {
  const versions = sections.map(({ version }) => version);
  expect(versions[0]).toBe(manifest.version.replace("-dev", ""));
  expect(versions).toEqual(expect.arrayContaining(programs()));
});

it("the changelog names every change that an upgrade means to make", () => {
  for (const words of TOLD) expect(sections[0]?.text).toContain(words);
});

it("an update bot moves no package that the recorded requests or the CLI fix", () => {
  const { updates } = parse(read(".github/dependabot.yml")) as {
    updates: { ignore?: { "dependency-name": string }[] }[];
  };
  const held = updates.flatMap(({ ignore = [] }) => ignore.map((one) => one["dependency-name"]));
  const fixed = Object.keys(standIns).map((plugin) => `@pulumi/${plugin}`);
  expect(held.sort()).toEqual([...fixed, "@pulumi/pulumi"].sort());
  const versions: Readonly<Record<string, string>> = manifest.dependencies;
  for (const [plugin, version] of Object.entries(standIns)) expect(versions[`@pulumi/${plugin}`]).toBe(version);
  expect(read("dev/toolchain/cli/go.mod")).toContain(`pulumi/sdk/v3 v${versions["@pulumi/pulumi"] ?? ""} `);
});
