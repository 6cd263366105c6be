/** @module A connection that is kept alive, on a raw socket: one request in flight, as little work as can be. */
import { connect } from "node:net";
import type { Socket } from "node:net";

export interface Answer {
  /** 0 when the connection ended before there was one. */
  readonly status: number;
  /** Status line, headers and body, as they came. */
  readonly bytes: Buffer;
}

type OnAnswer = (answer: Answer) => void;

const LOST: Answer = { status: 0, bytes: Buffer.alloc(0) };

export class Connection {
  readonly #socket: Socket;
  #received = LOST.bytes;
  #onAnswer: OnAnswer | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#take(chunk));
    // What ends a connection is one lost answer to whoever waits for it, and nothing to anybody else.
    socket.on("error", () => undefined).on("close", () => this.#finish(LOST));
  }

  /** Sends a whole request; the next one only after its answer. */
  send(request: string, onAnswer: OnAnswer): void {
    this.#onAnswer = onAnswer;
    if (this.#socket.destroyed) this.#finish(LOST);
    else this.#socket.write(request, "latin1");
  }

  ask(request: string): Promise<Answer> {
    return new Promise((resolve) => {
      this.send(request, resolve);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Without the minute in which the kernel remembers it: thousands of these would use up all ports. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #take(chunk: Buffer): void {
    const bytes = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    this.#received = bytes;
    const bodyAt = bytes.indexOf("\r\n\r\n") + 4;
    if (bodyAt < 4) return;
    const head = bytes.toString("latin1", 0, bodyAt);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? "0";
    if (bytes.length < bodyAt + Number(length)) return;
    this.#received = LOST.bytes;
    this.#finish({ status: Number(head.slice(9, 12)), bytes });
  }

  #finish(answer: Answer): void {
    const onAnswer = this.#onAnswer;
    this.#onAnswer = undefined;
    onAnswer?.(answer);
  }
}

export async function openConnection(port: number): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: "127.0.0.1", port }, resolve).once("error", reject);
  await promise;
  socket.off("error", reject);
  return new Connection(socket);
}

/** Few enough at once for the backlog of any listener. */
const OPENED_AT_ONCE = 100;

/** `connections` of them, in turn to each of `ports`, with the answer to `request` on each. */
export async function openConnections(input: {
  readonly ports: readonly number[];
  readonly connections: number;
  readonly request: string;
}): Promise<Connection[]> {
  const { ports, connections, request } = input;
  const opened: Connection[] = [];
  const open = async (at: number) => {
    const connection = await openConnection(ports[at % ports.length] ?? 0);
    await connection.ask(request);
    return connection;
  };
  while (opened.length < connections) {
    const size = Math.min(OPENED_AT_ONCE, connections - opened.length);
    const from = opened.length;
    opened.push(...(await Promise.all(Array.from({ length: size }, (_, at) => open(from + at)))));
  }
  return opened;
}
