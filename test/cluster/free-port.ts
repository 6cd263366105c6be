/** @module Ports for programs that cannot say which one the kernel gave them. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below Linux' ephemeral ports (32768 and up), from which every outgoing connection takes one. */
const FIRST = 20_000;
const AFTER_LAST = 32_768;

/** A port of loopback on which nobody listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, AFTER_LAST);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}
