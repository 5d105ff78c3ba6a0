import type { Reporter, SerializedError, TestModule, TestSpecification, Vitest } from "vitest/node";

/**
 * Ends a run with one line, `N passed, N failed`, and `, N skipped` where some were. A file that is broken or did not
 * run and an error outside all tests count as failed. A run in which no test passed has failed too.
 */
export default class ClosingLine implements Reporter {
  private watching = false;
  private specifications: readonly TestSpecification[] = [];

  public onInit(vitest: Vitest): void {
    this.watching = vitest.config.watch;
  }

  public onTestRunStart(specifications: readonly TestSpecification[]): void {
    this.specifications = specifications;
  }

  public onTestRunEnd(_modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    if (this.watching) return;
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const { testModule } of this.specifications) {
      const before = count.failed;
      for (const test of testModule?.children.allTests() ?? []) count[test.result().state] += 1;
      const done = testModule?.state() === "passed" || testModule?.state() === "skipped";
      if (!done && count.failed === before) count.failed += 1;
    }
    if (count.passed === 0) process.exitCode = 1;
    // Printed at exit, so that it is the last line whatever vitest still prints.
    process.once("exit", (code) => {
      const failed = code !== 0 && count.passed > 0 ? Math.max(1, count.failed) : count.failed;
      const skipped = count.skipped > 0 ? `, ${count.skipped.toString()} skipped` : "";
      console.log(`${count.passed.toString()} passed, ${failed.toString()} failed${skipped}`);
    });
  }
}
