// The lint rule that keeps the development half of the repository out of a deployment.
import { join } from "node:path";
import { ESLint, Linter } from "eslint";
import { describe, expect, it } from "vitest";

const project = join(import.meta.dirname, "../..");
const eslint = new ESLint({ cwd: project });
const wanted = ["no-restricted-imports", "no-restricted-syntax"];

/** What these rules, as eslint.config.js sets them for `file`, say about a line of code in it. */
async function messages(file: string, code: string): Promise<string[]> {
  const { rules = {} } = (await eslint.calculateConfigForFile(join(project, file))) as Linter.Config;
  const chosen = Object.entries(rules).filter(([name]) => wanted.includes(name));
  const config = {
    rules: Object.fromEntries(chosen),
    linterOptions: { reportUnusedDisableDirectives: "off" },
  } as const;
  return new Linter().verify(code, config).map(({ message }) => message);
}

const deployment = ["index.ts", "stack/site.ts", "settings/schema.ts", "components/renewal.ts", "cli/doctor.ts"].concat(
  "components/origin-host/index.ts",
  "policy/index.ts",
);

describe.each(deployment)("in %s", (file) => {
  it.each([
    'import "../dev/sandbox/x.ts";',
    'import { x } from "./dev/sandbox/x.ts";',
    'import x from "../../dev/toolchain/index.ts";',
    'export * from "../test/support/host.ts";',
    'export { x } from "./dev/bench/x.ts";',
    'await import("../dev/sandbox/x.ts");',
    "await import(`../${name}/x.ts`);",
  ])(`the lint rule refuses in ${file}: %s`, async (code) => {
    expect(await messages(file, code)).toEqual([
      expect.stringContaining("A deployment imports nothing from dev/ or test/."),
    ]);
  });

  it.each(['import "./settings/index.ts";', 'import "../components/sandboxed.ts";', 'await import("@pulumi/pulumi");'])(
    `the lint rule allows in ${file}: %s`,
    async (code) => {
      expect(await messages(file, code)).toEqual([]);
    },
  );
});

it("the lint rule allows tests and the sandbox to import each other", async () => {
  expect(await messages("test/unit/deployment-imports.test.ts", 'import "../dev/sandbox/x.ts";')).toEqual([]);
  expect(await messages("dev/sandbox/api/app.ts", 'import "../../toolchain/index.ts";')).toEqual([]);
});
