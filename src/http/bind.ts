/** @module How a listener comes by its socket, and what is said when it does not. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { CrossroleError, messageOf } from "../errors.ts";
import { bracketed } from "./guard.ts";

interface Place {
  readonly host: string;
  readonly port: number;
  readonly reusePort?: boolean | undefined;
}

/** @throws {@link CrossroleError} `ERR_LISTEN_FAILED` that says whose port it is, or which right is missing. */
export async function bind(server: Server, { host, port, reusePort }: Place): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen({ host, port, reusePort: reusePort ?? false }, resolve);
  try {
    await promise;
  } catch (error) {
    const where = `${bracketed(host)}:${port}`;
    throw new CrossroleError("ERR_LISTEN_FAILED", `cannot listen on ${where}: ${why(error)}`, {
      cause: error,
    });
  }
  server.off("error", reject);
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new TypeError("a TCP server has a port");
  return bound;
}

function why(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return "another process has this port; stop it or choose another address";
    case "EACCES":
      return "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher one or grant it";
    case "EADDRNOTAVAIL":
      return "no interface of this machine has this address; add it (ip addr add) or choose another";
    case "ENOTSUP":
      return "this platform has no reusePort; leave it out";
    default:
      return messageOf(error);
  }
}
