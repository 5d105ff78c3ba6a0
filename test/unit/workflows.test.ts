// What actionlint does not check in the workflows that hold secrets.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import lock from "../../package-lock.json" with { type: "json" };
import manifest from "../../package.json" with { type: "json" };

interface Step {
  uses?: string;
  run?: string;
  env?: Record<string, string>;
  with?: Record<string, unknown>;
}

interface Workflow {
  on: Record<string, unknown>;
  permissions: unknown;
  concurrency: { group: string; "cancel-in-progress": boolean };
  jobs: Record<string, { if?: string; environment?: string; permissions: Record<string, string>; steps: Step[] }>;
}

const folder = join(import.meta.dirname, "../../.github/workflows");
const workflows = globSync("*.{yml,yaml}", { cwd: folder }).map((name) => {
  const text = readFileSync(join(folder, name), "utf8");
  return { name, text, workflow: parse(text) as Workflow };
});
const steps = ({ jobs }: Workflow) => Object.values(jobs).flatMap((job) => job.steps);
const named = (wanted: string) => {
  const found = workflows.find(({ name }) => name === wanted);
  if (!found) throw new Error(`.github/workflows/${wanted} is missing`);
  return found;
};

/** Whether a value has an expression with the secrets' context, or with the job's token, which it also holds. */
const usesSecrets = (value: unknown) => /\$\{\{[^}]*\b(secrets|github\.token)\b/.test(String(value));

/** Places of a document in which an expression uses secrets, as paths. */
function placesOfSecrets(value: unknown, path: readonly string[] = []): string[] {
  if (typeof value !== "object" || value === null) return usesSecrets(value) ? [path.join(".")] : [];
  return Object.entries(value).flatMap(([key, inner]) => placesOfSecrets(inner, [...path, key]));
}

/** Steps that get secrets. */
const trusted = (workflow: Workflow) => steps(workflow).filter(({ env = {} }) => Object.values(env).some(usesSecrets));

/** Commands that install packages, or run one that may have to be installed first. */
const INSTALLS = /\b(npm (ci|i|install|exec)|npx|yarn|pnpm)\b/;

describe.each(workflows)("$name", ({ name, text, workflow }) => {
  it(`${name} pins every action to a commit and says which release that is`, () => {
    const used = [...text.matchAll(/uses: *(.*)/g)].map(([, action]) => action);
    expect(used.length).toBeGreaterThan(0);
    for (const action of used) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it(`${name} starts without permissions, keeps no token in the checkout, and runs no fork's code with secrets`, () => {
    expect(workflow.permissions).toEqual({});
    expect(workflow.on).not.toHaveProperty("pull_request_target");
    expect(workflow.on).not.toHaveProperty("workflow_run");
    for (const step of steps(workflow).filter(({ uses }) => uses?.startsWith("actions/checkout@"))) {
      expect(step.with?.["persist-credentials"]).toBe(false);
    }
  });

  it(`${name} puts no expression into a shell line`, () => {
    // A pull request's title or branch name would be run as a command there.
    for (const { run = "" } of steps(workflow)) expect(run).not.toContain("${{");
  });

  it(`${name} installs the CLI in the version of package.json`, () => {
    for (const step of steps(workflow).filter(({ uses }) => uses?.startsWith("pulumi/actions@"))) {
      expect(step.with?.["pulumi-version"]).toBe(manifest.dependencies.pulumi);
    }
  });

  it(`${name} gives secrets to single steps, and not to a workflow or a job`, () => {
    const elsewhere = placesOfSecrets(workflow).filter((path) => !/^jobs\.[\w-]+\.steps\.\d+\.env\.\w+$/.test(path));
    expect(elsewhere).toEqual([]);
  });

  it(`${name} gives secrets only to steps that run Pulumi or a tool of ours, from a protected environment`, () => {
    for (const { run, uses, with: inputs } of trusted(workflow)) {
      if (run === undefined) expect([uses?.split("@")[0], inputs?.["command"]]).toEqual(["pulumi/actions", "preview"]);
      else expect(run).toMatch(/^(pulumi |node (cli\/doctor|test\/acceptance)\/main\.ts( |$))[^\n;&|]*$/);
    }
    for (const [job, { environment }] of Object.entries(workflow.jobs)) {
      if (placesOfSecrets(workflow.jobs[job]).length > 0) expect(environment, job).toMatch(/^\w+$/);
    }
  });

  it(`${name} installs packages without secrets, and runs none of their scripts`, () => {
    const installing = steps(workflow).filter(({ run = "" }) => INSTALLS.test(run));
    for (const { run, env } of installing) {
      expect(env).toBeUndefined();
      // The acceptance suite is made of dev dependencies, and its secret opens a zone that has nothing to lose.
      const omitted = name === "acceptance.yml" ? "" : "--omit=dev ";
      if (placesOfSecrets(workflow).length > 0) expect(run).toBe(`npm ci ${omitted}--ignore-scripts`);
    }
    if (placesOfSecrets(workflow).length > 0) expect(installing).toHaveLength(1);
  });
});

it("the workflows with secrets are those that the docs name", () => {
  const names = workflows.filter(({ workflow }) => trusted(workflow).length > 0).map(({ name }) => name);
  expect(names.sort()).toEqual(["acceptance.yml", "deploy.yml", "drift.yml", "preview.yml"]);
});

it("no production package needs its install script", () => {
  const packages: Readonly<Record<string, object>> = lock.packages;
  const scripted = Object.entries(packages as Record<string, { dev?: boolean; hasInstallScript?: boolean }>)
    .filter(([, { dev, hasInstallScript }]) => hasInstallScript && !dev)
    .map(([path]) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length));
  const allowed: Readonly<Record<string, boolean>> = manifest.allowScripts;
  expect(scripted.filter((name) => allowed[name] !== false)).toEqual([]);
});

it("previews run for branches of this repository only, in an environment of their own", () => {
  const { workflow } = named("preview.yml");
  const { preview } = workflow.jobs;
  expect(preview?.if).toContain("github.event.pull_request.head.repo.full_name == github.repository");
  expect(preview?.environment).toBe("preview");
  expect(preview?.permissions).toEqual({ contents: "read", "pull-requests": "write" });
});

it("no workflow that changes or reads a stack is cancelled or overtaken", () => {
  const [deploy, drift] = ["deploy.yml", "drift.yml"].map((name) => named(name).workflow);
  expect(deploy?.concurrency).toEqual(drift?.concurrency);
  expect(deploy?.concurrency["cancel-in-progress"]).toBe(false);
  expect(deploy?.jobs["deploy"]?.environment).toBe("production");
});

it("the daily check has an environment without reviewers, which nobody's approval holds up", () => {
  expect(named("drift.yml").workflow.jobs["drift"]?.environment).toBe("drift");
  expect(named("drift.yml").workflow.on).not.toHaveProperty("pull_request");
});
