import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Suites with a configuration of their own: they install what they need, or take their time.
    exclude: [
      "test/clients/**",
      "test/floods/**",
      "test/browser/**",
      "test/cluster/**",
      "test/ship/**",
      "test/restart/**",
    ],
    reporters: ["default", "./test/support/count-reporter.ts"],
    coverage: { provider: "v8", include: ["src/**"], reporter: ["text-summary"] },
    // Against what hangs, and no measure of how quick the machine is.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // Most of the time is spent waiting for processes and sockets, not for a processor.
    maxWorkers: 4,
  },
});
