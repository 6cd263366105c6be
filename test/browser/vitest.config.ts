import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/browser/**/*.test.ts"],
    globalSetup: ["test/browser/setup.ts"],
    reporters: ["default", "./test/support/count-reporter.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // A page is as quick as its machine.
    expect: { poll: { timeout: 20_000 } },
  },
});
