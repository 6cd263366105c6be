import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "test/properties/**/*.test.ts",
      "test/credentials/model.test.ts",
      "test/credentials/scale.test.ts",
      "test/callers/pods-model.test.ts",
    ],
    provide: { cases: 100_000, modelRuns: 100_000, podEvents: 1_000_000, scaleRoles: 1_000 },
    reporters: ["default", "./test/support/count-reporter.ts"],
    testTimeout: 900_000,
    maxWorkers: 2,
  },
});
