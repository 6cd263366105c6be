/** @module Listening sockets that whoever started this process has opened for it, as systemd does. */
import type { Server } from "node:http";
import { CrossroleError } from "../errors.ts";
import { bracketed } from "./guard.ts";

/** A socket that was passed on. */
export interface InheritedSocket {
  readonly fd: number;
  /** What it is called there. */
  readonly name: string;
}

/** A server on such a socket, at the address that the socket has. */
export interface InheritedServer {
  readonly server: Server;
  readonly host: string;
  readonly port: number;
  /** For errors: address, name and number. */
  readonly label: string;
}

/** As many as wait while a daemon is restarted; the kernel's own bound (somaxconn) is 4096 too. */
const BACKLOG = 4_096;

/**
 * Puts a server on `socket`. Nothing is accepted before the event loop turns: whoever calls gives the
 * server its handlers at once.
 *
 * @throws {@link CrossroleError} `ERR_LISTEN_FAILED` when it is no TCP socket that listens.
 */
export function adopt({ fd, name }: InheritedSocket, server: Server): InheritedServer {
  // What is wrong is seen below, and said with the socket's name.
  server.once("error", () => undefined).listen({ fd, backlog: BACKLOG });
  const bound = server.address();
  if (bound === null || typeof bound === "string") {
    server.close();
    const what = typeof bound === "string" ? `the path ${bound}` : "no socket that can listen";
    const message = `the socket that was passed as ${name} (fd ${fd}) is ${what}; crossrole takes TCP sockets of IP addresses`;
    throw new CrossroleError("ERR_LISTEN_FAILED", message);
  }
  const { address: host, port } = bound;
  return { server, host, port, label: `${bracketed(host)}:${port} (${name}, fd ${fd})` };
}

/** Whether a listener of the configuration is meant by the address that a socket has. */
export function isSameAddress(
  wanted: { readonly host: string; readonly port: number },
  { host, port }: InheritedServer,
): boolean {
  if (wanted.port !== port) return false;
  if (wanted.host === "localhost") return host === "127.0.0.1" || host === "::1";
  return spelling(wanted.host) === spelling(host);
}

/** A socket that nobody serves would let its clients wait: it is an error, which names it. */
export function unmatchedError(
  unmatched: readonly InheritedServer[],
  wanted: Iterable<{ readonly host: string; readonly port: number }>,
): CrossroleError {
  const passed = unmatched.map(({ label }) => label).join(", ");
  const known = [...wanted].map(({ host, port }) => `${bracketed(host)}:${port}`).join(", ");
  const message = `no listener of the configuration has the address of a socket that was passed: ${passed}; listeners are ${known}`;
  return new CrossroleError("ERR_LISTEN_FAILED", message);
}

/** One spelling of an IPv6 address, which has many. */
function spelling(host: string): string {
  return URL.parse(`http://${bracketed(host)}`)?.hostname ?? host;
}
