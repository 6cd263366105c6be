import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/clients/**"],
    reporters: ["default", "./test/support/count-reporter.ts"],
    coverage: { provider: "v8", include: ["src/**"], reporter: ["text-summary"] },
    testTimeout: 20_000,
  },
});
