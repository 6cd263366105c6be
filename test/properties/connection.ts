/** @module A connection that is kept: many requests at once on it, and their answers in order. */
import { connect } from "node:net";
import type { Socket } from "node:net";

export interface Ask {
  readonly method: string;
  /** One byte a character, as it goes out. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Told {
  readonly status: number;
  readonly body: string;
  /** Whether the server ended the connection behind it. */
  readonly closes: boolean;
}

const GONE: Told = { status: 0, body: "", closes: true };

/** What is still to come on a connection: for which methods, and whom to tell. */
interface Waiting {
  readonly methods: readonly string[];
  readonly told: Told[];
  readonly resolve: (told: readonly Told[]) => void;
}

export class Connection implements Disposable {
  readonly #socket: Socket;
  #received = "";
  #waiting: Waiting | undefined;

  constructor(port: number, localAddress = "127.0.0.1") {
    this.#socket = connect({ host: "127.0.0.1", port, localAddress, noDelay: true });
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (chunk: string) => this.#read(chunk));
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", () => this.#fill());
  }

  get isOver(): boolean {
    return this.#socket.destroyed;
  }

  /** Sends all of `asked` in one write; ends with what was told when the connection ends. */
  async ask(asked: readonly Ask[]): Promise<readonly Told[]> {
    const { promise, resolve } = Promise.withResolvers<readonly Told[]>();
    this.#waiting = { methods: asked.map(({ method }) => method), told: [], resolve };
    if (this.#socket.destroyed) this.#fill();
    else this.#socket.write(asked.map(textOf).join(""), "latin1");
    return await promise;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    this.#received += chunk;
    let at = 0;
    for (let end = this.#next(at); end > at; end = this.#next(at)) at = end;
    this.#received = this.#received.slice(at);
    const { methods, told, resolve } = this.#waiting ?? { methods: [], told: [], resolve: ignore };
    if (told.length === methods.length) resolve(told);
  }

  /** Takes one answer at `at`; gives where it ends, or `at` when it is not whole. */
  #next(at: number): number {
    const waiting = this.#waiting;
    const headEnd = this.#received.indexOf("\r\n\r\n", at);
    if (headEnd === -1 || waiting === undefined) return at;
    const head = this.#received.slice(at, headEnd);
    const isHead = waiting.methods[waiting.told.length] === "HEAD";
    const length = isHead ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
    const end = headEnd + 4 + length;
    if (Number.isNaN(length)) throw new TypeError(`an answer without a length: ${head}`);
    if (end > this.#received.length) return at;
    waiting.told.push({
      status: Number(head.slice(9, 12)),
      body: this.#received.slice(headEnd + 4, end),
      closes: /\r\nconnection: close/i.test(head),
    });
    return end;
  }

  /** The connection is gone: whatever was not told will not be. */
  #fill(): void {
    const { methods, told, resolve } = this.#waiting ?? { methods: [], told: [], resolve: ignore };
    while (told.length < methods.length) told.push(GONE);
    resolve(told);
  }
}

function textOf({ method, target, headers }: Ask): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

function ignore(): void {
  // Nobody waits.
}
