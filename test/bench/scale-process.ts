/** @module The simulation of `scale` in a process of its own: its clock is moved, and it is nobody else's. */
import { mock } from "node:test";
import { simulateScale } from "../credentials/scale.ts";
import type { Scale } from "../credentials/scale.ts";

/** How far the clock is moved at once: what follows from a timer happens within it. */
const TICK_MS = 250;

const START_MS = Date.UTC(2026, 10, 2, 12);

const options: Omit<Scale, "advance"> = JSON.parse(process.argv[2] ?? "{}");
mock.timers.enable({ apis: ["setTimeout", "Date"], now: START_MS });
const advance = async (ms: number) => {
  for (let passedMs = 0; passedMs < ms; passedMs += TICK_MS) {
    mock.timers.tick(TICK_MS);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
};
const result = await simulateScale({ ...options, advance });
process.stdout.write(`${JSON.stringify(result)}\n`);
