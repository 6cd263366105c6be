/** @module A relay that tells when the first byte goes through: a client has begun to ask. */
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

export interface Tap {
  readonly url: string;
  /** Resolves when a client has sent its first byte. */
  readonly asked: Promise<void>;
  close(): Promise<void>;
}

export async function openTap(url: string): Promise<Tap> {
  const { hostname, port } = new URL(url);
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy()).on("close", () => to.destroy());
      from.pipe(to);
    }
    client.once("data", () => ask());
  });
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await listening;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: async () => {
      const { promise: closed, resolve: close } = Promise.withResolvers<void>();
      server.close(() => close());
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
