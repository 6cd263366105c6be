/** @module How late the event loop is: whoever asks for credentials waits as long. */
import { createHistogram } from "node:perf_hooks";
import type { Gauge, Registry } from "prom-client";

/** How often it is looked at: 20 times a second. */
const INTERVAL_MS = 50;

const NS_PER_MS = 1e6;
const NS_PER_SECOND = 1e9;
const PERCENTILES = { p50: 50, p99: 99, max: 100 } as const;

/**
 * A gauge of the lag since it was last read; what is returned ends the measurement. By a timer of its
 * own: Node's monitor forgets with every reset the moment that it counts from, and with it whatever
 * was late just then.
 */
export function lagGauge(GaugeClass: typeof Gauge, registers: Registry[]): () => void {
  const lags = createHistogram();
  let dueMs = performance.now() + INTERVAL_MS;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    lags.record(Math.max(1, Math.round((nowMs - dueMs) * NS_PER_MS)));
    dueMs = nowMs + INTERVAL_MS;
  }, INTERVAL_MS).unref();
  const gauge = new GaugeClass({
    name: "crossrole_event_loop_lag_seconds",
    help: "How late the event loop was since the last time somebody read this",
    labelNames: ["stat"],
    registers,
    collect() {
      for (const [stat, percentile] of Object.entries(PERCENTILES)) {
        const ns = lags.count === 0 ? 0 : lags.percentile(percentile);
        gauge.set({ stat }, ns / NS_PER_SECOND);
      }
      lags.reset();
    },
  });
  return () => clearInterval(timer);
}
