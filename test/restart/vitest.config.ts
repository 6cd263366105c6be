import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/restart/**/*.test.ts"],
    reporters: ["default", "./test/support/count-reporter.ts"],
    // Against what hangs, and no measure of how quick the machine is.
    testTimeout: 300_000,
    // One load at a time: the second processor is the clients'.
    fileParallelism: false,
  },
});
