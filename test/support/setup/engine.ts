// What the tests on the real engine need before they begin. The CLI may have to be built first and a browser fetched,
// which takes longer than any test may.
import { join } from "node:path";
import { resolveToolchain } from "../../../dev/toolchain/index.ts";
import { installChromium } from "../../e2e/support/chromium.ts";

const project = join(import.meta.dirname, "../../..");

export default async () => {
  const report = (line: string) => {
    console.log(line);
  };
  report((await resolveToolchain({ projectDir: project, stateDir: join(project, ".state"), report })).line);
  // Without a browser, only the tests in it cannot run; they fail for the same reason.
  await installChromium(report).catch((error: unknown) => report((error as Error).message));
};
