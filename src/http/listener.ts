/** @module One listening socket on node:http: limits, guard, and a drain that ends. */
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { CrossroleError, httpStatus, messageOf } from "../errors.ts";
import { askedBy, send } from "./answer.ts";
import type { OnRefused } from "./answer.ts";
import { boundConnections, boundPipelining } from "./connections.ts";
import { bracketed, ownHosts, refusalOf } from "./guard.ts";

/** Longer than any client keeps an idle connection: with Node's 5 s one in five re-uses fails. */
const KEEP_ALIVE_MS = 75_000;
/** A metadata request is a few hundred bytes in one packet. */
const REQUEST_TIMEOUT_MS = 5_000;
const TIMEOUT_CHECK_MS = 1_000;
/** Nothing is answered later: by then an answer waits for a peer that does not take it. */
const ANSWER_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 8_192;
/** How long answers in flight may take once the listener closes. */
const DRAIN_MS = 3_000;

export interface ListenOptions {
  /** An IP literal without brackets, or `localhost`. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Names besides the well-known ones that a `Host` header may have, in lower case. */
  readonly hosts: () => readonly string[];
  readonly handle: RequestListener;
  /** Told of each request that was refused before any route. */
  readonly onRefused: OnRefused;
  /** Connections that one peer may have. Default: 1024. */
  readonly connectionsPerPeer?: (() => number | undefined) | undefined;
}

export interface RunningListener {
  /** As it is bound: the port is never 0. */
  readonly host: string;
  readonly port: number;
  /** `http://HOST:PORT`, with brackets around IPv6. */
  readonly url: string;
  /** Stops accepting, lets answers in flight end (3 s at most), closes every connection. */
  close(): Promise<void>;
}

/** @throws {@link CrossroleError} `ERR_LISTEN_FAILED` that says whose port it is, or which right is missing. */
export async function listen(options: ListenOptions): Promise<RunningListener> {
  const { host } = options;
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    insecureHTTPParser: false,
    // The guard has its own word on Host, and counts it.
    requireHostHeader: false,
  });
  server.timeout = ANSWER_TIMEOUT_MS;
  boundConnections(server, options.onRefused, options.connectionsPerPeer);
  const { port } = await bind(server, options);
  const isOwn = ownHosts(host, options.hosts);
  const draining = { now: false };
  const answer: RequestListener = (request, response) => {
    // Whatever follows a refused request on its connection was hidden in it: it is not even read.
    if (refused.has(request.socket)) return;
    boundPipelining(request, response);
    if (draining.now) response.setHeader("Connection", "close");
    const refusal = refusalOf(request, isOwn);
    if (refusal === undefined) whenBodyIsEmpty(request, response, options);
    else refuse(request, response, refusal, options);
  };
  server.on("request", answer);
  server.on("checkContinue", (request, response) => {
    // What is refused is not asked to go on.
    if (!refused.has(request.socket) && refusalOf(request, isOwn) === undefined) {
      response.writeContinue();
    }
    answer(request, response);
  });
  server.on("checkExpectation", (request, response) => {
    if (refused.has(request.socket)) return;
    const message = "the request has an Expect that is not 100-continue";
    refuse(request, response, new CrossroleError("ERR_REQUEST_INVALID", message), options);
  });
  server.on("clientError", (error, socket) => refuseUnparsed(error, socket, options));
  const close = () => {
    draining.now = true;
    return drain(server);
  };
  return { host, port, url: `http://${bracketed(host)}:${port}`, close };
}

/** Connections that end with the answer to a request that was refused. */
const refused = new WeakSet<Duplex>();

/** A chunked request has no length to be refused by: its end is waited for, and must come at once. */
function whenBodyIsEmpty(
  request: IncomingMessage,
  response: ServerResponse,
  options: ListenOptions,
): void {
  if (request.headers["transfer-encoding"] === undefined) {
    options.handle(request, response);
    return;
  }
  const refuseBody = () => {
    request.off("end", proceed);
    const message = "the request has a body";
    refuse(request, response, new CrossroleError("ERR_REQUEST_INVALID", message), options);
  };
  const proceed = () => {
    request.off("data", refuseBody);
    options.handle(request, response);
  };
  request.once("data", refuseBody).once("end", proceed);
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  reason: CrossroleError,
  { onRefused }: ListenOptions,
): void {
  refused.add(request.socket);
  onRefused(reason, askedBy(request));
  response.once("finish", () => request.socket.destroySoon());
  send(response, { status: httpStatus(reason), headers: { Connection: "close" } });
}

/** What Node's parser stops at: no request, and so no response object. */
const PARSER_STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

function refuseUnparsed(error: Error, socket: Duplex, { onRefused }: ListenOptions): void {
  const code = "code" in error ? String(error.code) : "";
  // The peer is gone: nobody is left to be told, and nothing was asked.
  if (code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  // Node hands some requests over before its parser stops at them: these have their answer.
  if (refused.has(socket)) return;
  refused.add(socket);
  const peer = socket instanceof Socket ? socket.remoteAddress : undefined;
  const reason = new CrossroleError("ERR_REQUEST_INVALID", `the request is not HTTP (${code})`);
  onRefused(reason, { peer });
  const status = PARSER_STATUS[code] ?? "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  // A peer that does not close its end must not keep the socket.
  if (socket instanceof Socket) socket.destroySoon();
}

async function bind(server: Server, { host, port }: ListenOptions): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen({ host, port }, resolve);
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
    default:
      return messageOf(error);
  }
}

async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearTimeout(timer);
}
