import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/ship/**/*.test.ts"],
    globalSetup: ["test/ship/setup.ts"],
    reporters: ["default", "./test/support/count-reporter.ts"],
    // What is installed or built takes as long as it takes.
    testTimeout: 300_000,
    hookTimeout: 900_000,
    maxWorkers: 2,
  },
});
