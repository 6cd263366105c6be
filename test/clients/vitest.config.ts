import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/clients/**/*.test.ts"],
    globalSetup: ["test/clients/setup.ts"],
    reporters: ["default", "./test/clients/table-reporter.ts", "./test/support/count-reporter.ts"],
    // Real clients, each a process of its own: more at once than this only wait for the processor.
    fileParallelism: false,
    maxConcurrency: 4,
    testTimeout: 120_000,
  },
});
