/** @module An answer as a value, and the one place that writes it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Peer } from "../callers/types.ts";

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>> | undefined;
  readonly body?: string | Buffer | undefined;
}

const ending = new WeakSet<object>();

/** From now on the next answer on `socket` is its last, and tells the client so. */
export function endWithAnswer(socket: object): void {
  ending.add(socket);
}

/** Writes `answer` whole, with its length: nothing is chunked, nothing is compressed. */
export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const length = body === undefined ? 0 : Buffer.byteLength(body);
  const { socket } = response;
  if (socket !== null) {
    const peer = peers.get(socket);
    if (peer !== undefined) peer.answered++;
    if (ending.has(socket)) response.setHeader("Connection", "close");
  }
  response.writeHead(status, { ...headers, "Content-Length": length });
  // A HEAD is told the length and gets nothing: Node leaves the body out.
  response.end(body);
}

const peers = new WeakMap<object, Peer & { answered: number }>();

/** The socket's address, never a header: anyone can write X-Forwarded-For. */
export function peerOf({ socket }: IncomingMessage): Peer {
  const known = peers.get(socket);
  if (known !== undefined) return known;
  const peer = {
    address: socket.remoteAddress ?? "",
    port: socket.remotePort ?? 0,
    localAddress: socket.localAddress ?? "",
    localPort: socket.localPort ?? 0,
    connection: socket,
    answered: 0,
  };
  peers.set(socket, peer);
  return peer;
}

/** What was asked for and by whom, as far as it could be read: for the log, not for a decision. */
export interface Asked {
  readonly peer: string | undefined;
  readonly method?: string | undefined;
  readonly target?: string | undefined;
  readonly userAgent?: string | undefined;
}

/** Longer texts are somebody's attempt to fill the log. */
const MAX_TEXT_LENGTH = 200;

export function askedBy({ socket, method, url, headers }: IncomingMessage): Asked {
  return {
    peer: socket.remoteAddress,
    method,
    target: url?.slice(0, MAX_TEXT_LENGTH),
    userAgent: headers["user-agent"]?.slice(0, MAX_TEXT_LENGTH),
  };
}

/** Somebody was not served. */
export type OnRefused = (reason: unknown, asked: Asked) => void;
