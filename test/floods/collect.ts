/** @module Loaded into a daemon under measurement: SIGUSR2 collects garbage, so that what is left is kept. */
process.on("SIGUSR2", () => {
  globalThis.gc?.();
});
