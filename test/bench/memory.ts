/** @module Row 5: what is in memory when nothing happens, and what each role adds to it. */
import { setTimeout as delay } from "node:timers/promises";
import { configOf, roleNames } from "./scene.ts";
import type { Scene } from "./scene.ts";
import type { ServerProcess } from "./server-process.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";

const PROCESSES = 3;
const FEW = 10;
const MANY = 200;
const IDLE_MS = 10_000;
const BAR = 2;
const BAR_PER_ROLE_KIB = 20;

export async function memoryRows(scene: Scene): Promise<readonly Row[]> {
  await using processes = new AsyncDisposableStack();
  const start = (spawned: () => ServerProcess) =>
    Array.from({ length: PROCESSES }, () => processes.use(spawned()));
  const before = scene.sts.calls.length;
  const configs = [await configFile(scene, FEW), await configFile(scene, MANY)] as const;
  const groups = [
    start(() => scene.bare()),
    start(() => scene.crossrole(configs[0])),
    start(() => scene.crossrole(configs[1])),
  ] as const;
  await scene.sts.called(before + PROCESSES * (FEW + MANY));
  await delay(IDLE_MS);
  const [bare, few, many] = [memoryOf(groups[0]), memoryOf(groups[1]), memoryOf(groups[2])];
  if (Number.isNaN(bare + few + many)) return [];
  const ratio = few / bare;
  const perRole = (many - few) / (MANY - FEW);
  return [
    {
      what: `private memory, idle, ${FEW} roles (MiB)`,
      bare: (bare / 1024).toFixed(1),
      crossrole: (few / 1024).toFixed(1),
      ratio: ratio.toFixed(2),
      bar: `<= ${BAR}`,
      met: ratio <= BAR,
    },
    {
      what: `  a further role, of ${MANY} (KiB)`,
      bare: "",
      crossrole: perRole.toFixed(1),
      bar: `< ${BAR_PER_ROLE_KIB}`,
      met: perRole < BAR_PER_ROLE_KIB,
    },
  ];
}

/** With the budget that STS is called with by default: a burst of calls is memory of its own. */
async function configFile(scene: Scene, roles: number): Promise<string> {
  const config = { ...configOf(scene, roleNames(roles)), sts: { endpoint: scene.sts.url } };
  return await scene.writeConfig(`memory-${roles}`, config);
}

function memoryOf(servers: readonly ServerProcess[]): number {
  return median(servers.map((server) => server.privateKiB()));
}
