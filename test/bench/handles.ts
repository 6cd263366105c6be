/** @module Measure `handles`: what a daemon leaves in a process when it is closed. */
import { leftBehind } from "../support/left-behind.ts";
import { exactly } from "./row.ts";
import type { Row } from "./row.ts";
import { roleArn } from "./scene.ts";
import type { Scene } from "./scene.ts";
import { exact } from "./statistics.ts";

export async function handleRows(scene: Scene): Promise<readonly Row[]> {
  const role = roleArn("orders-reader");
  scene.sts.addRole({ arn: role });
  const { open, left, keepingAlive } = await leftBehind({
    library: scene.program.library,
    roleArn: role,
    stsEndpoint: scene.sts.url,
    environment: scene.environment(),
  });
  const row = { unit: "", digits: 0 };
  return [
    {
      what: "timers and handles left after close()",
      ...row,
      ours: exact(left.length),
      bar: exactly(0),
    },
    {
      what: "  of these keep the process alive",
      ...row,
      ours: exact(keepingAlive.length),
      bar: exactly(0),
    },
    { what: "  while it served", ...row, ours: exact(open.length) },
  ];
}
