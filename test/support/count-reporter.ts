/** @module Prints the closing line `N passed, N failed, N skipped` alone, last, for people and for CI. */
import type { Reporter, TestModule } from "vitest/node";

export default class CountReporter implements Reporter {
  #line = "";

  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      // A file that cannot be loaded has no tests to fail, and must not look like success.
      if (module.state() === "failed" && [...module.children.allTests()].length === 0)
        count.failed++;
      for (const test of module.children.allTests()) count[test.result().state]++;
    }
    this.#line = `${count.passed} passed, ${count.failed + count.pending} failed, ${count.skipped} skipped`;
    // Coverage and the default reporter still print after this event.
    process.once("exit", () => process.stdout.write(`${this.#line}\n`));
  }
}
