/** @module Addresses of loopback for a daemon that is started twice on the same one. */
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the ports that the kernel gives to whoever asks for none, so that nobody comes between. */
const [LOWEST, HIGHEST] = [20_000, 29_999];

/** IP:PORT on which nobody listens. */
export async function freeAddress(): Promise<string> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await Promise.race([
      once(server, "listening").then(() => true),
      once(server, "error").then(() => false),
    ]).catch(() => false);
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return `127.0.0.1:${port}`;
  }
}
