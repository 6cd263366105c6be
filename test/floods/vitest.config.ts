import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/floods/**/*.test.ts"],
    provide: { floodRequests: 1_000_000 },
    reporters: ["default", "./test/support/count-reporter.ts"],
    // One flood at a time: the second processor is the flooding peer's.
    fileParallelism: false,
  },
});
