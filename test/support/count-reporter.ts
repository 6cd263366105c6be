/** @module Prints the closing line `N passed, N failed, N skipped` alone, last, for people and for CI. */
import type { Reporter, TestModule } from "vitest/node";

export default class CountReporter implements Reporter {
  #line = "";

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[] = []): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      const before = count.failed;
      for (const test of module.children.allTests()) count[test.result().state]++;
      // A file that cannot be loaded, or a hook that fails, leaves no test to fail: not so here.
      if (!module.ok() && count.failed === before) count.failed++;
    }
    count.failed += errors.length;
    this.#line = `${count.passed} passed, ${count.failed + count.pending} failed, ${count.skipped} skipped`;
    // Coverage and the default reporter still print after this event.
    process.once("exit", () => process.stdout.write(`${this.#line}\n`));
  }
}
