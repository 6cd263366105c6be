/** @module Measure `scale`: a thousand roles under the default budget of STS calls, for twelve simulated hours. */
import { fileURLToPath } from "node:url";
import type { ScaleResult } from "../credentials/scale.ts";
import { command } from "./command.ts";
import { atLeast, exactly } from "./row.ts";
import type { Row } from "./row.ts";
import { exact } from "./statistics.ts";

const PROGRAM = fileURLToPath(new URL("scale-process.ts", import.meta.url));
const ROLES = 1_000;
const CALLS_PER_SECOND = 10;
const HOURS = 12;
const BAR_MINUTES = 25;

export async function scaleRows(): Promise<readonly Row[]> {
  const options = { roles: ROLES, callsPerSecond: CALLS_PER_SECOND, hours: HOURS };
  const args = [process.execPath, PROGRAM, JSON.stringify(options)];
  const { leastLifeMs, waited, calls }: ScaleResult = JSON.parse(
    await command(args, import.meta.dirname),
  );
  const count = { unit: "", digits: 0 };
  return [
    {
      what: `${ROLES} roles, ${CALLS_PER_SECOND} STS calls/s, ${HOURS} h (simulated): least life`,
      unit: "min",
      digits: 1,
      ours: exact(leastLifeMs / 60_000),
      bar: atLeast(BAR_MINUTES),
    },
    { what: "  answers that had to wait", ...count, ours: exact(waited), bar: exactly(0) },
    {
      what: "  STS calls for a role and hour",
      unit: "",
      digits: 2,
      ours: exact(calls / ROLES / HOURS),
    },
  ];
}
