/** @module Measure `herd`: ten thousand callers at once, for roles that nobody has asked STS for yet. */
import { setTimeout as delay } from "node:timers/promises";
import type { FakeSts } from "../support/fake-sts.ts";
import { httpRequest } from "./http-request.ts";
import type { Outcome } from "./loads.ts";
import { exactly } from "./row.ts";
import type { Row } from "./row.ts";
import { AUTHORIZATION, configOf, roleArn, roleNames } from "./scene.ts";
import type { Scene } from "./scene.ts";
import { exact, percentile } from "./statistics.ts";

const REQUESTS = 10_000;
const ROLES = 500;
/** A listener takes 1,024 connections from one peer. */
const LISTENERS = 10;
const STS_MS = 50;
const PATIENCE_MS = 15_000;
/** How long the container routes hold a request for a session never obtained. */
const HOLD_MS = 400;

/**
 * The daemon runs and the connections are open before it learns of the roles: what is measured is the
 * herd, and neither the start nor ten thousand handshakes.
 *
 * @throws Error when the herd was not one call a role, or somebody got neither credentials nor "not yet".
 */
export async function herdRows(scene: Scene): Promise<readonly Row[]> {
  const { sts } = scene;
  const names = roleNames(ROLES);
  // Two roles, because one alone would be another kind of listener.
  const path = await scene.writeConfig(
    "herd",
    configOf(scene, ["first", "second"], { listeners: LISTENERS }),
  );
  using loader = scene.loader();
  await using daemon = scene.crossrole(path, { isPinned: true });
  const ports = await daemon.ports(LISTENERS);
  const [request = "", ...requests] = ["second", ...names].map((name) =>
    httpRequest("GET", `/container/${name}`, ports[0] ?? 0, { Authorization: AUTHORIZATION }),
  );
  await loader.run("open", { group: "herd", ports, connections: REQUESTS, request });
  const before = sts.calls.length;
  sts.fault({ kind: "delay", ms: STS_MS });
  await scene.writeConfig("herd", configOf(scene, names, { listeners: LISTENERS }));
  daemon.signal("SIGHUP");
  await daemon.logged("configuration taken over");
  const outcomes = await loader.run("allAtOnce", { group: "herd", requests });
  await allCalled(sts, before + ROLES);
  const calls = sts.calls.slice(before).filter(({ parameters }) => isOfHerd(parameters["RoleArn"]));
  sts.heal();
  const lost = outcomes.filter(({ status }) => !ANSWERS.has(status));
  if (calls.length !== ROLES)
    throw new Error(`${calls.length} STS calls for ${ROLES} roles, each wanted by many`);
  if (lost.length > 0)
    throw new Error(`${lost.length} requests were answered with ${lost[0]?.status} or not at all`);
  const asked = new Map(calls.map(({ parameters, timeMs }) => [parameters["RoleArn"], timeMs]));
  return rowsOf(outcomes, calls.length, ({ index, sentMs }) => {
    const timeMs = asked.get(roleArn(names[index] ?? "")) ?? Infinity;
    return timeMs + STS_MS <= sentMs + HOLD_MS;
  });
}

/** Credentials, or that there are none yet: whoever is told so asks again. */
const ANSWERS: ReadonlySet<number> = new Set([200, 500, 503]);

function rowsOf(
  outcomes: readonly Outcome[],
  calls: number,
  isInTime: (outcome: Outcome) => boolean,
): Row[] {
  const failed = outcomes.filter(({ status }) => status !== 200);
  const wrongly = failed.filter(isInTime).length;
  const elapsed = outcomes.map(({ elapsedMs }) => elapsedMs);
  const count = { unit: "", digits: 0 };
  return [
    {
      what: `cold herd, ${REQUESTS} at once over ${ROLES} roles: STS calls`,
      ...count,
      ours: exact(calls),
      bar: exactly(ROLES),
    },
    {
      what: "  failed, though STS answered in time",
      ...count,
      ours: exact(wrongly),
      bar: exactly(0),
    },
    { what: "  failed in all", ...count, ours: exact(failed.length) },
    { what: "  p99", unit: "ms", digits: 0, ours: exact(percentile(elapsed, 99)) },
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
