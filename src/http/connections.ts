/** @module How much one peer may take: connections, and requests that wait on one of them. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { CrossroleError } from "../errors.ts";
import type { OnRefused } from "./answer.ts";

const MAX_CONNECTIONS = 4_096;
/** Unless the listener has a bound of its own. */
const MAX_CONNECTIONS_PER_PEER = 1_024;

/** Requests of one connection that may wait for their answers: clients send one, and wait. */
const MAX_PIPELINED = 16;

/** Refuses connections beyond the bound of their peer, and of the listener, without a word to them. */
export function boundConnections(
  server: Server,
  onRefused: OnRefused,
  perPeer: () => number | undefined = () => undefined,
): void {
  const counts = new Map<string, number>();
  server.maxConnections = MAX_CONNECTIONS;
  server.on("drop", (dropped) => {
    onRefused(tooMany(`the listener has ${MAX_CONNECTIONS}`), { peer: dropped?.remoteAddress });
  });
  server.on("connection", (socket: Socket) => {
    const peer = socket.remoteAddress ?? "";
    const count = (counts.get(peer) ?? 0) + 1;
    const most = perPeer() ?? MAX_CONNECTIONS_PER_PEER;
    if (count > most) {
      onRefused(tooMany(`the peer has ${most}`), { peer });
      socket.destroy();
      return;
    }
    counts.set(peer, count);
    socket.once("close", () => {
      const left = (counts.get(peer) ?? 1) - 1;
      if (left === 0) counts.delete(peer);
      else counts.set(peer, left);
    });
  });
}

function tooMany(bound: string): CrossroleError {
  const message = `there is no connection to be had: ${bound} already`;
  return new CrossroleError("ERR_REQUEST_INVALID", message);
}

/** How many requests of a connection wait for their answer. */
const waiting = new WeakMap<Socket, number>();

/**
 * Reads no further on a connection whose answers lag behind. Node does so only for answers that are
 * written and not taken: while the first one is waited for, it would read and hold a whole flood.
 */
export function boundPipelining(socket: Socket): void {
  const count = waiting.get(socket) ?? 0;
  waiting.set(socket, count + 1);
  // Once, and after the packet: at the end of each request in it Node reads on.
  if (count === MAX_PIPELINED) queueMicrotask(() => isBehind(socket) && socket.pause());
}

/** To be told of each request that {@link boundPipelining} was told of, once it has been answered. */
export function answered(socket: Socket): void {
  const wasBehind = isBehind(socket);
  waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
  if (wasBehind && !isBehind(socket)) socket.resume();
}

/** Whether a request of this connection waits for its answer. */
export function isAwaited(socket: Socket): boolean {
  return (waiting.get(socket) ?? 0) > 0;
}

function isBehind(socket: Socket): boolean {
  return (waiting.get(socket) ?? 0) > MAX_PIPELINED;
}
