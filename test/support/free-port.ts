/** @module Ports for those who must know them before they are bound, or bind them again. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below Linux' ephemeral ports (32768 and up), from which every `listen(0)` and every connection takes one. */
const FIRST = 20_000;
/** Each of vitest's workers has so many for itself: none takes what another one has found free. */
const PER_WORKER = 1_000;
const WORKERS = 12;

const worker = Number(process.env["VITEST_POOL_ID"] ?? 0) % WORKERS;
let at = randomInt(PER_WORKER);

/** A port on which nobody listens at `host`, and that nobody is given by chance. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (;;) {
    at = (at + 1) % PER_WORKER;
    const port = FIRST + worker * PER_WORKER + at;
    if (await isFree(port, host)) return port;
  }
}

function isFree(port: number, host: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen(port, host, () => server.close(() => resolve(true)));
  return promise;
}
