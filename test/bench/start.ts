/** @module Row 4: from the spawn to the line that says it listens, and to the first answer. */
import { openConnection } from "./connection.ts";
import { httpRequest } from "./http-request.ts";
import { configOf } from "./scene.ts";
import type { Scene } from "./scene.ts";
import type { ServerProcess } from "./server-process.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";

const ROUNDS = 11;
const BAR = 1.5;

interface Times {
  readonly listeningMs: number;
  readonly answeredMs: number;
}

export async function startRows(scene: Scene): Promise<readonly Row[]> {
  const config = await scene.writeConfig("start", configOf(scene, ["orders-reader"]));
  const rounds: { readonly bare: Times; readonly crossrole: Times }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bare = await timesOf(scene.bare());
    rounds.push({ bare, crossrole: await timesOf(scene.crossrole(config)) });
  }
  const row = (what: string, pick: (times: Times) => number) => {
    const bare = median(rounds.map((round) => pick(round.bare)));
    const crossrole = median(rounds.map((round) => pick(round.crossrole)));
    const ratio = crossrole / bare;
    const shown = { bare: bare.toFixed(0), crossrole: crossrole.toFixed(0) };
    return { what, ...shown, ratio: ratio.toFixed(2), met: ratio <= BAR };
  };
  const { met: _, ...answered } = row("  start to the first answer (ms)", (one) => one.answeredMs);
  const listening = row("start to listening (ms)", (one) => one.listeningMs);
  return [{ ...listening, bar: `<= ${BAR}` }, answered];
}

async function timesOf(server: ServerProcess): Promise<Times> {
  await using process = server;
  const { port, elapsedMs } = await process.listening();
  const connection = await openConnection(port);
  // Any answer will do: whoever reads the line above may ask at once.
  await connection.ask(httpRequest("GET", "/latest/meta-data/", port, {}));
  connection.close();
  return { listeningMs: elapsedMs, answeredMs: process.ageMs() };
}
