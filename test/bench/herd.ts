/** @module Row 3: ten thousand callers at once, for roles that nobody has asked STS for yet. */
import { setTimeout as delay } from "node:timers/promises";
import type { FakeSts } from "../support/fake-sts.ts";
import { httpRequest } from "./http-request.ts";
import type { Loader } from "./loader.ts";
import type { Outcome } from "./loads.ts";
import { AUTHORIZATION, configOf, roleArn, roleNames } from "./scene.ts";
import type { Scene } from "./scene.ts";
import { percentile } from "./statistics.ts";
import type { Row } from "./table.ts";

const REQUESTS = 10_000;
const ROLES = 500;
/** A listener takes 1,024 connections from one peer. */
const LISTENERS = 10;
/** About what the real STS takes: nobody is served before the whole herd has asked. */
const STS_MS = 100;
const PATIENCE_MS = 15_000;
/** How long the container routes hold a request for a session never obtained. */
const HOLD_MS = 400;

/**
 * The daemon runs and the connections are open before it learns of the roles: what is measured is the
 * herd, and neither the start nor ten thousand handshakes.
 */
export async function herdRows(scene: Scene, loader: Loader): Promise<readonly Row[]> {
  const { sts } = scene;
  const names = roleNames(ROLES);
  // Two roles, because one alone would be another kind of listener.
  const path = await scene.writeConfig("herd", configOf(scene, ["first", "second"], LISTENERS));
  await using daemon = scene.crossrole(path);
  const ports = await daemon.ports(LISTENERS);
  const [request = "", ...requests] = ["second", ...names].map((name) =>
    httpRequest("GET", `/container/${name}`, ports[0] ?? 0, { Authorization: AUTHORIZATION }),
  );
  await loader.run("open", { group: "herd", ports, connections: REQUESTS, request });
  const before = sts.calls.length;
  sts.fault({ kind: "delay", ms: STS_MS });
  await scene.writeConfig("herd", configOf(scene, names, LISTENERS));
  daemon.signal("SIGHUP");
  await daemon.logged("configuration taken over");
  const outcomes = await loader.run("allAtOnce", { group: "herd", requests });
  await allCalled(sts, before + ROLES);
  const calls = sts.calls.slice(before).filter(({ parameters }) => isOfHerd(parameters["RoleArn"]));
  sts.heal();
  const answered = new Map(calls.map(({ parameters, timeMs }) => [parameters["RoleArn"], timeMs]));
  return rowsOf(outcomes, calls.length, ({ index, sentMs }) => {
    const timeMs = answered.get(roleArn(names[index] ?? "")) ?? Infinity;
    return timeMs + STS_MS <= sentMs + HOLD_MS;
  });
}

function rowsOf(
  outcomes: readonly Outcome[],
  calls: number,
  isInTime: (outcome: Outcome) => boolean,
): Row[] {
  const failed = outcomes.filter(({ status }) => status !== 200);
  const wrongly = failed.filter(isInTime).length;
  const lost = failed.filter(({ status }) => status === 0).length;
  const p99 = percentile(
    outcomes.map(({ elapsedMs }) => elapsedMs),
    99,
  );
  const herd = `${REQUESTS} at once over ${ROLES} roles`;
  return [
    {
      what: `cold herd, ${herd}: STS calls`,
      bare: "",
      crossrole: String(calls),
      bar: `= ${ROLES}`,
      met: calls === ROLES,
    },
    {
      what: "  failed, though STS answered in time",
      bare: "",
      crossrole: String(wrongly),
      bar: "= 0",
      met: wrongly === 0,
    },
    {
      what: "  failed in all (connections lost)",
      bare: "",
      crossrole: `${failed.length} (${lost})`,
    },
    { what: "  p99 (ms)", bare: "", crossrole: p99.toFixed(0) },
  ];
}

/** Whatever the herd got: until STS has been asked for every role, and a moment for a call too many. */
async function allCalled(sts: FakeSts, count: number): Promise<void> {
  await Promise.race([sts.called(count), delay(PATIENCE_MS, undefined, { ref: false })]);
  await delay(1_000);
}

function isOfHerd(arn: string | undefined): boolean {
  return arn?.startsWith(roleArn("reader-")) === true;
}
