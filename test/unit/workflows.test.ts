// What actionlint does not look at in the workflows that hold secrets.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import manifest from "../../package.json" with { type: "json" };

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
}

interface Workflow {
  on: Record<string, unknown>;
  permissions: unknown;
  concurrency: { group: string; "cancel-in-progress": boolean };
  jobs: Record<string, { if?: string; environment?: string; permissions: Record<string, string>; steps: Step[] }>;
}

const folder = join(import.meta.dirname, "../../.github/workflows");
const workflows = globSync("*.yml", { cwd: folder }).map((name) => {
  const text = readFileSync(join(folder, name), "utf8");
  return { name, text, workflow: parse(text) as Workflow };
});
const steps = ({ jobs }: Workflow) => Object.values(jobs).flatMap((job) => job.steps);
const named = (wanted: string) => {
  const found = workflows.find(({ name }) => name === wanted);
  if (!found) throw new Error(`.github/workflows/${wanted} is missing`);
  return found;
};

describe.each(workflows)("$name", ({ name, text, workflow }) => {
  it(`${name} pins every action to a commit and says which release that is`, () => {
    const used = [...text.matchAll(/uses: *(.*)/g)].map(([, action]) => action);
    expect(used.length).toBeGreaterThan(0);
    for (const action of used) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it(`${name} starts without permissions, keeps no token in the checkout, and runs no stranger's code with secrets`, () => {
    expect(workflow.permissions).toEqual({});
    expect(workflow.on).not.toHaveProperty("pull_request_target");
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
});

it("previews run for branches of this repository only, with secrets that are not production's", () => {
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
