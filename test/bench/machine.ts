/** @module What the numbers depend on. A machine that is busy with something else shows in its load. */
import { availableParallelism, cpus, loadavg } from "node:os";
import type { Cores } from "./cores.ts";

export function machineFacts(cores: Cores | undefined) {
  const { version, platform, arch } = process;
  return {
    node: version,
    platform,
    arch,
    processor: cpus()[0]?.model.trim() ?? "unknown processor",
    cores: availableParallelism(),
    /** Which processor has the servers, and which the load; null where nobody chose. */
    placement: cores ?? null,
    loadAverage: loadavg()[0] ?? 0,
  };
}

export function machineText(facts: ReturnType<typeof machineFacts>): string {
  const { node, platform, arch, processor, cores, placement, loadAverage } = facts;
  const where =
    placement === null
      ? "not pinned"
      : `servers on core ${placement.server}, load on core ${placement.load}`;
  return `node ${node}, ${platform} ${arch}, ${cores} cores (${processor}), ${where}, load ${loadAverage.toFixed(1)}`;
}
