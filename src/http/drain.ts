/** @module How a listener ends: whoever has asked is answered, and no connection is cut that is in use. */
import { Server as NetServer } from "node:net";
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { endWithAnswer } from "./answer.ts";
import { isAwaited } from "./connections.ts";

/** How long a drain may take: 3 seconds. */
const DRAIN_MS = 3_000;

/** How long others are answered too, while those are who are connected when it begins. */
const LINGER_MS = 1_000;

/** How often idle connections are looked at. */
const LOOK_MS = 50;

/**
 * A connection that was used within the last 500 ms is likely to be used again right now: it ends with
 * the answer to its next request, which tells the client so. One that has rested for longer is closed.
 */
const RESTED_MS = 500;

/** What of its rest is looked at in any case. A request that is on its way at the beginning arrives before. */
const WATCHED_MS = 100;

/** A client that has connected is about to ask, and may be held up for longer by a busy machine. */
const UNUSED_MS = 2_000;

/** How long connections may still arrive while the kernel's queue is emptied. */
const QUEUE_MS = 500;
/** A turn of the event loop in which nothing has happened takes no longer. */
const EMPTY_TURN_MS = 0.05;

/**
 * Who else has connections of the same address: nobody; another socket (reusePort), which the kernel
 * gives those that come later; or a holder of this very socket, whose next process finds what waits in
 * its queue, once this one has ended.
 */
export type Others = "none" | "beside" | "behind";

interface Connection {
  isUnused: boolean;
  /** When it was opened, a request arrived, or the last answer was on its way. */
  usedMs: number;
  /**
   * How long it has rested while a drain was looking. Not by the clock: when the machine holds up this
   * process, it holds up the client too, who is then about to go on.
   */
  restedMs: number;
  bytesRead: number;
}

export class Drain {
  readonly #server: Server;
  readonly #connections = new Map<Socket, Connection>();
  #accepted = 0;
  #phase: "open" | "draining" | "paused" = "open";

  constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket: Socket) => this.#opened(socket));
  }

  /**
   * Lets every connection end with its next answer, stops accepting, and gives the socket back. Whoever
   * comes is left to others; when there are none, they are answered for as long as somebody else is.
   */
  async close(others: Others): Promise<void> {
    const startedMs = performance.now();
    this.#begin(others);
    if (others === "none") {
      const present = [...this.#connections.keys()];
      await this.#ended(
        () => present.some((one) => this.#connections.has(one)),
        startedMs + LINGER_MS,
      );
    }
    // The kernel resets whatever waits in the queue of a socket that nobody holds.
    if (others !== "behind") await this.#emptyQueue();
    const closed = new Promise<void>((resolve) => {
      // Not the close of http.Server: that one cuts idle connections, a request on its way or not.
      NetServer.prototype.close.call(this.#server, () => resolve());
    });
    await this.#allEnded(startedMs);
    await closed;
    // Its timer is still running.
    this.#server.close();
  }

  /** Ends every connection, old and new, but keeps the listening socket. */
  async pause(): Promise<void> {
    this.#begin("behind");
    await this.#allEnded(performance.now());
    this.#phase = "paused";
  }

  /** Answers again after {@link pause}. */
  resume(): void {
    this.#phase = "open";
  }

  #begin(others: Others): void {
    this.#phase = "draining";
    const nowMs = performance.now();
    for (const [socket, connection] of this.#connections) {
      endWithAnswer(socket);
      connection.bytesRead = socket.bytesRead;
      // Beside another socket nobody waits for the end of this one, and each is watched for all of its rest.
      const restedMs = others === "beside" ? 0 : nowMs - connection.usedMs;
      connection.restedMs = Math.min(restedMs, longestRestMs(connection) - WATCHED_MS);
    }
  }

  #opened(socket: Socket): void {
    this.#accepted++;
    if (this.#phase === "paused") {
      socket.destroy();
      return;
    }
    if (this.#phase === "draining") endWithAnswer(socket);
    this.#connections.set(socket, {
      isUnused: true,
      usedMs: performance.now(),
      restedMs: 0,
      bytesRead: 0,
    });
    socket.once("close", () => this.#connections.delete(socket));
  }

  /**
   * Resolves in a turn of the event loop that has found nothing in the queue, moments ago. What arrives
   * in these moments is lost with the socket, unless the kernel hands it to another one of the address.
   */
  async #emptyQueue(): Promise<void> {
    const endMs = performance.now() + QUEUE_MS;
    let isEmpty = false;
    // What is left of this turn may not look into the queue any more.
    await nextTurn();
    while (!isEmpty && performance.now() < endMs) {
      const accepted = this.#accepted;
      const turnMs = performance.now();
      await nextTurn();
      isEmpty = accepted === this.#accepted && performance.now() - turnMs < EMPTY_TURN_MS;
    }
  }

  async #allEnded(startedMs: number): Promise<void> {
    await this.#ended(() => this.#connections.size > 0, startedMs + DRAIN_MS);
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  /** Closes connections that have rested, for as long as some are left, or until `endMs`. */
  async #ended(areLeft: () => boolean, endMs: number): Promise<void> {
    while (areLeft() && performance.now() < endMs) {
      await sleep(LOOK_MS);
      // More may come while it is gone through.
      const present = [...this.#connections];
      for (const [socket, connection] of present) {
        if (performance.now() >= endMs) return;
        connection.restedMs += LOOK_MS;
        if (!hasRested(socket, connection)) continue;
        // Each behind a look into the kernel of its own: a client uses many at once when it has been held up.
        await nextTurn();
        if (hasRested(socket, connection)) socket.destroy();
      }
    }
  }

  /** Notes that a request has arrived on `socket`, or has been answered. */
  used(socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.isUnused = false;
    connection.usedMs = performance.now();
    connection.restedMs = 0;
  }
}

function hasRested(socket: Socket, connection: Connection): boolean {
  const isMoving = socket.bytesRead !== connection.bytesRead;
  connection.bytesRead = socket.bytesRead;
  if (isMoving || isAwaited(socket)) connection.restedMs = 0;
  return connection.restedMs >= longestRestMs(connection);
}

function longestRestMs({ isUnused }: Connection): number {
  return isUnused ? UNUSED_MS : RESTED_MS;
}
