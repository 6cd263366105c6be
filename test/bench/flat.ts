/** @module Measure `flat`: what two million requests and two thousand renewals leave in memory. */
import { setTimeout as delay } from "node:timers/promises";
import { openConnection } from "./connection.ts";
import { httpRequest } from "./http-request.ts";
import type { Loader } from "./loader.ts";
import { atLeast, within } from "./row.ts";
import type { Row } from "./row.ts";
import { configOf, roleNames } from "./scene.ts";
import type { Scene } from "./scene.ts";
import { exact, spreadOf } from "./statistics.ts";
import { bodyOf, tokenHeader, tokenRequest } from "./warm-pair.ts";

const REQUESTS = 2_000_000;
const RENEWALS = 2_000;
/** After these its code is compiled and its heap has its size. Renewals leave most of what is collected late. */
const WARM_UP = { requests: 200_000, renewals: 1_000 };
const ROLES = 200;
/** Renewed at half of it: 35 renewals a second, and 6 s for a machine that is busy. */
const LIFE_SECONDS = 12;
const CONNECTIONS = 32;
/** After each so many the memory is looked at. */
const ROUND = 100_000;
const SETTLE_MS = 5_000;
const GROUP = "flat";

export async function flatRows(scene: Scene): Promise<readonly Row[]> {
  const { sts } = scene;
  sts.lifeSeconds = LIFE_SECONDS;
  const names = roleNames(ROLES);
  const config = await scene.writeConfig("flat", configOf(scene, names));
  using loader = scene.loader();
  await using daemon = scene.crossrole(config, { isPinned: true });
  const { port } = await daemon.listening();
  await sts.called(ROLES);
  const requests = await requestsOf(port, names);
  const [request = ""] = requests;
  await loader.run("open", { group: GROUP, ports: [port], connections: CONNECTIONS, request });
  const settled = async () => {
    await delay(SETTLE_MS);
    return daemon.privateKiB() / 1024;
  };
  for (let asked = 0; asked < WARM_UP.requests || sts.calls.length < ROLES + WARM_UP.renewals;) {
    await ask(loader, requests, ROUND);
    asked += ROUND;
  }
  const before = { mib: await settled(), calls: sts.calls.length };
  const during: number[] = [];
  let asked = 0;
  while (asked < REQUESTS || sts.calls.length - before.calls < RENEWALS) {
    await ask(loader, requests, ROUND);
    asked += ROUND;
    during.push(daemon.privateKiB() / 1024);
  }
  const renewals = sts.calls.length - before.calls;
  const grownMib = (await settled()) - before.mib;
  return [
    {
      what: `memory after ${asked / 1_000_000} million requests, less before`,
      unit: "MiB",
      digits: 1,
      ours: exact(grownMib),
      bar: within(3),
    },
    {
      what: "  meanwhile, less before",
      unit: "MiB",
      digits: 1,
      ours: spreadOf(during.map((mib) => mib - before.mib)),
    },
    {
      what: "  renewals meanwhile",
      unit: "",
      digits: 0,
      ours: exact(renewals),
      bar: atLeast(RENEWALS),
    },
  ];
}

/** For the credentials of each role, with a token of its own. */
async function requestsOf(port: number, names: readonly string[]): Promise<string[]> {
  const connection = await openConnection(port);
  const requests: string[] = [];
  for (const name of names) {
    const service = `/roles/${name}/latest`;
    const token = await connection.ask(tokenRequest(port, `${service}/api/token`));
    const path = `${service}/meta-data/iam/security-credentials/${name}`;
    requests.push(httpRequest("GET", path, port, tokenHeader(bodyOf(token))));
  }
  connection.close();
  return requests;
}

async function ask(loader: Loader, requests: readonly string[], count: number): Promise<void> {
  const until = { answers: count };
  const { answers, failed } = await loader.run("closedLoop", { group: GROUP, requests, until });
  if (failed > 0) throw new Error(`${failed} of ${answers} answers are not credentials`);
}
