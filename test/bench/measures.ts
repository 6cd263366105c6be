/** @module What there is to measure, in the order in which it is measured. */
import { fleetRows } from "./fleet.ts";
import { flatRows } from "./flat.ts";
import { handleRows } from "./handles.ts";
import { herdRows } from "./herd.ts";
import { latencyRows } from "./latency.ts";
import { memoryRows } from "./memory.ts";
import type { Row } from "./row.ts";
import type { Scene } from "./scene.ts";
import { scaleRows } from "./scale.ts";
import { startRows } from "./start.ts";
import { credentialsRows, exchangeRows, tokenRows } from "./throughput.ts";

interface Measure {
  readonly name: string;
  /** Whether it is a comparison, and so has something to say of two commits. */
  readonly hasBase: boolean;
  readonly run: (scene: Scene) => Promise<readonly Row[]>;
}

export const MEASURES: readonly Measure[] = [
  { name: "credentials", hasBase: true, run: credentialsRows },
  { name: "latency", hasBase: true, run: latencyRows },
  { name: "token", hasBase: true, run: tokenRows },
  { name: "exchange", hasBase: true, run: exchangeRows },
  { name: "start", hasBase: true, run: startRows },
  { name: "memory", hasBase: true, run: memoryRows },
  { name: "flat", hasBase: false, run: flatRows },
  { name: "handles", hasBase: false, run: handleRows },
  { name: "herd", hasBase: false, run: herdRows },
  { name: "scale", hasBase: false, run: scaleRows },
  { name: "fleet", hasBase: false, run: fleetRows },
];
