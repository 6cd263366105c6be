/** @module Measure `memory`: what is in memory when nothing happens, and what each role adds to it. */
import { setTimeout as delay } from "node:timers/promises";
import { compared } from "./pairs.ts";
import type { Pair } from "./pairs.ts";
import { atMost, below } from "./row.ts";
import type { Row } from "./row.ts";
import { configOf, roleNames } from "./scene.ts";
import type { Scene } from "./scene.ts";
import type { ServerProcess } from "./server-process.ts";
import { spreadOf } from "./statistics.ts";

/** What a process has in memory hangs on the moment of its last collection: of several, not of one. */
const PROCESSES = 5;
const FEW = 10;
const MANY = 200;
const IDLE_MS = 10_000;

export async function memoryRows(scene: Scene): Promise<readonly Row[]> {
  const few = await idle(scene, FEW, (config) => [scene.base(config, {}), scene.crossrole(config)]);
  const many = await idle(scene, MANY, (config) => [
    scene.isBaseBare ? undefined : scene.base(config, {}),
    scene.crossrole(config),
  ]);
  const perRole = {
    base: perRoleKiB(few, many, "base"),
    ours: perRoleKiB(few, many, "ours"),
  };
  const row = { what: `  a further role, of ${MANY}`, unit: "KiB", digits: 1 };
  const rows: Row[] = [
    {
      what: `private memory, idle, ${FEW} roles`,
      unit: "MiB",
      digits: 1,
      ...compared(few, (kib) => kib / 1024),
      bar: atMost(2),
    },
    scene.isBaseBare
      ? { ...row, ours: spreadOf(perRole.ours), bar: below(20) }
      : { ...row, base: spreadOf(perRole.base), ours: spreadOf(perRole.ours) },
  ];
  if (few.some(({ ours }) => Number.isNaN(ours)))
    throw new Error("this kernel does not tell what a process has in memory");
  return rows;
}

/** Of the processes in the order in which they were started: no pair has more in common than another. */
function perRoleKiB(
  few: readonly Pair<number>[],
  many: readonly Pair<number>[],
  side: keyof Pair<number>,
): number[] {
  return many.map((one, at) => (one[side] - (few[at]?.[side] ?? Number.NaN)) / (MANY - FEW));
}

type Spawned = readonly [base: ServerProcess | undefined, ours: ServerProcess];

/** KiB of each process that serves `roles`, once all is obtained and a while has passed. */
async function idle(
  scene: Scene,
  roles: number,
  spawn: (config: string) => Spawned,
): Promise<Pair<number>[]> {
  const { sts } = scene;
  await using stack = new AsyncDisposableStack();
  // With the budget that STS is called with by default: a burst of calls is memory of its own.
  const config = { ...configOf(scene, roleNames(roles)), sts: { endpoint: sts.url } };
  const path = await scene.writeConfig(`memory-${roles}`, config);
  const before = sts.calls.length;
  const pairs = Array.from({ length: PROCESSES }, () => {
    const [base, ours] = spawn(path);
    return { base: base && stack.use(base), ours: stack.use(ours) };
  });
  const daemons = PROCESSES * (scene.isBaseBare ? 1 : 2);
  await sts.called(before + daemons * roles);
  await delay(IDLE_MS);
  return pairs.map(({ base, ours }) => ({
    base: base?.privateKiB() ?? Number.NaN,
    ours: ours.privateKiB(),
  }));
}
