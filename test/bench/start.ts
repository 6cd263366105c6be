/** @module Measure `start`: from the spawn to the line that says it listens, and to the first answer. */
import { openConnection } from "./connection.ts";
import { compared, inTurn } from "./pairs.ts";
import { atMost } from "./row.ts";
import type { Row } from "./row.ts";
import { configOf } from "./scene.ts";
import type { Scene } from "./scene.ts";
import type { ServerProcess } from "./server-process.ts";
import { tokenRequest } from "./warm-pair.ts";

const ROUNDS = 21;

interface Times {
  readonly listeningMs: number;
  readonly answeredMs: number;
}

export async function startRows(scene: Scene): Promise<readonly Row[]> {
  const config = await scene.writeConfig("start", configOf(scene, ["orders-reader"]));
  const measure = {
    base: () => timesOf(scene.base(config, {})),
    ours: () => timesOf(scene.crossrole(config)),
  };
  // The first writes V8's compile cache, which an image brings along; the disk is warm then, too.
  const [first] = await inTurn(1, measure);
  const pairs = await inTurn(ROUNDS, measure);
  const [unit, digits] = ["ms", 0];
  return [
    {
      what: "start to the first answer",
      unit,
      digits,
      ...compared(pairs, (one) => one.answeredMs),
      bar: atMost(1.5),
    },
    { what: "  to listening", unit, digits, ...compared(pairs, (one) => one.listeningMs) },
    {
      what: "  to the first answer, with an empty compile cache",
      unit,
      digits,
      ...compared(first === undefined ? [] : [first], (one) => one.answeredMs),
    },
  ];
}

/** The first answer is a metadata token: what a client asks for first, with its caller found out. */
async function timesOf(server: ServerProcess): Promise<Times> {
  await using process = server;
  const { port, elapsedMs } = await process.listening();
  const connection = await openConnection(port);
  const { status } = await connection.ask(tokenRequest(port));
  const answeredMs = process.ageMs();
  connection.close();
  if (status !== 200) throw new Error(`the first answer is ${status}`);
  return { listeningMs: elapsedMs, answeredMs };
}
