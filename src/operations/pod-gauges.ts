/** @module What Prometheus is told of the pods of a node. */
import type { Gauge, Registry } from "prom-client";

/** What is known of the pods at one moment. */
export interface PodsSeen {
  /** How many. */
  readonly count: number;
  /** When the API server last said anything of them, in milliseconds since the epoch. */
  readonly contactMs: number | undefined;
}

/** Gauges that are read when somebody looks: from `observe` on, which may be called again. */
export function podGauges(
  GaugeClass: typeof Gauge,
  registers: Registry[],
): (read: () => PodsSeen) => void {
  let seen: (() => PodsSeen) | undefined;
  const gauge = (name: string, help: string, value: (pods: PodsSeen) => number | undefined) =>
    new GaugeClass({
      name,
      help,
      registers,
      collect() {
        const now = seen === undefined ? undefined : value(seen());
        // Where no listener is for pods there is no figure: 0 would be one.
        if (now === undefined) this.remove();
        else this.set(now);
      },
    });
  gauge("crossrole_pods", "Pods of this node that are known", ({ count }) => count);
  gauge(
    "crossrole_watch_last_contact_seconds",
    "Seconds since the API server last said anything of the pods",
    ({ contactMs }) => (contactMs === undefined ? undefined : (Date.now() - contactMs) / 1000),
  );
  return (read) => {
    seen = read;
  };
}
