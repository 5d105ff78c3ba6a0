// A deployment needs neither the packages for development nor any install script: the workflows install the packages by
// `npm ci --omit=dev --ignore-scripts`. This copies a deployment's files and those packages, and previews from there.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import lock from "../../package-lock.json" with { type: "json" };
import { DEV, RANGES } from "../../dev/sandbox/api/world.ts";
import { API_TOKEN, HOST_KEY, PRIVATE_KEY } from "../unit/support/configuration.ts";
import { Deployment } from "./support/deployment.ts";

const PROJECT = join(import.meta.dirname, "../..");

/** What a deployment consists of, see docs/architecture.md. */
const PARTS = ["Pulumi.yaml", "package.json", "index.ts", "stack", "settings", "components", "host", "cli", "policy"];

/** With the ranges pinned, so that a preview asks nobody. */
const SETTINGS = {
  hostname: "photos.example.com",
  zoneId: DEV.zone,
  accountId: DEV.account,
  teamDomain: DEV.teamDomain,
  originAddresses: ["203.0.113.10"],
  sshAddress: "203.0.113.10",
  sshHostKey: HOST_KEY,
  emails: ["anna@example.com"],
  devices: ["annas-phone"],
  ipRanges: [...RANGES.ipv4_cidrs, ...RANGES.ipv6_cidrs],
};

let project: string;
let deployment: Deployment;

beforeAll(async () => {
  const state = join(PROJECT, ".state");
  mkdirSync(state, { recursive: true });
  // Hard links need the checkout's own file system.
  project = mkdtempSync(join(state, "production-"));
  for (const part of PARTS) cpSync(join(PROJECT, part), join(project, part), { recursive: true });
  for (const path of productionPackages()) linkPackage(join(PROJECT, path), join(project, path));
  deployment = await Deployment.create(true, "production", {}, project);
});
afterAll(async () => {
  await deployment.dispose();
  rmSync(project, { recursive: true });
});

/** Folders of the installed packages that `npm ci --omit=dev` installs too. */
function productionPackages(): string[] {
  const packages: Readonly<Record<string, object>> = lock.packages;
  return Object.entries(packages as Record<string, { dev?: boolean; devOptional?: boolean }>)
    .filter(([path, { dev, devOptional }]) => path !== "" && !dev && !devOptional && existsSync(join(PROJECT, path)))
    .map(([path]) => path);
}

/** Copies a package's files by hard links, without the packages inside it. */
function linkPackage(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.name === "node_modules") continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) linkPackage(source, target);
    else linkSync(source, target);
  }
}

test("a preview with the policy pack needs only the production packages", async () => {
  expect(existsSync(join(project, "node_modules/typescript"))).toBe(false);
  await deployment.configure(SETTINGS, { apiToken: API_TOKEN, sshPrivateKey: PRIVATE_KEY });
  const { counts } = await deployment.preview({ policyPacks: [join(project, "policy")] });
  expect(counts["create"]).toBeGreaterThan(20);
});

test.each(["card", "configure", "doctor", "rotate"])("%s needs only the production packages", (tool) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(project, "cli", tool, "main.ts"), "--help"], {
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^usage: /);
});
