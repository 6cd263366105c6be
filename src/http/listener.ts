/** @module One listening socket on node:http: limits, guard, and a drain that ends. */
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { CrossroleError, httpStatus } from "../errors.ts";
import { askedBy, send } from "./answer.ts";
import type { OnRefused } from "./answer.ts";
import { bind } from "./bind.ts";
import { answered, boundConnections, boundPipelining } from "./connections.ts";
import { Drain } from "./drain.ts";
import type { Others } from "./drain.ts";
import { bracketed, ownHosts, refusalOf } from "./guard.ts";
import { adopt } from "./inherited.ts";
import type { InheritedServer, InheritedSocket } from "./inherited.ts";
import type { Pages } from "./pages.ts";

/** Longer than any client keeps an idle connection: with Node's 5 s one in five re-uses fails. */
const KEEP_ALIVE_MS = 75_000;
/** A metadata request is a few hundred bytes in one packet. */
const REQUEST_TIMEOUT_MS = 5_000;
const TIMEOUT_CHECK_MS = 1_000;
/** Nothing is answered later: by then an answer waits for a peer that does not take it. */
const ANSWER_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 8_192;

export interface ListenOptions {
  /** An IP literal without brackets, or `localhost`. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Whether another process may listen there too, which has said so as well. Default: false. */
  readonly reusePort?: boolean | undefined;
  /** Names besides the well-known ones that a `Host` header may have, in lower case. */
  readonly hosts: () => readonly string[];
  /** What a browser may ask for. Default: nothing. */
  readonly pages?: Pages | undefined;
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
  /** Whether the socket was passed on to this process: whoever did that keeps it open. */
  readonly isInherited: boolean;
  /**
   * Lets every connection end with its next answer, which says `Connection: close`: 3 s at most. One that
   * nobody uses is closed. Whoever comes meanwhile is left to another process of the address, and answered
   * when there is none.
   */
  close(): Promise<void>;
  /**
   * The same without closing the socket: until {@link resume} each connection is closed as it comes.
   * Closed here alone, an inherited socket would let its clients wait for nobody.
   */
  pause(): Promise<void>;
  resume(): void;
}

/** @throws {@link CrossroleError} `ERR_LISTEN_FAILED` that says whose port it is, or which right is missing. */
export async function listen(options: ListenOptions): Promise<RunningListener> {
  const server = createLimitedServer();
  const drain = answerWith(server, options);
  const { port } = await bind(server, options);
  const others = options.reusePort === true ? "beside" : "none";
  return runningListener({ host: options.host, port }, drain, others);
}

/** A server on a socket that was passed on; its handlers come with {@link listenInherited}, before anything else. */
export function inherit(socket: InheritedSocket): InheritedServer {
  return adopt(socket, createLimitedServer());
}

export function listenInherited(
  { server, port }: InheritedServer,
  options: ListenOptions,
): RunningListener {
  return runningListener({ host: options.host, port }, answerWith(server, options), "behind");
}

function runningListener(
  { host, port }: { readonly host: string; readonly port: number },
  drain: Drain,
  others: Others,
): RunningListener {
  return {
    host,
    port,
    url: `http://${bracketed(host)}:${port}`,
    isInherited: others === "behind",
    close: () => drain.close(others),
    pause: () => drain.pause(),
    resume: () => drain.resume(),
  };
}

function createLimitedServer(): Server {
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
  // A client may end its side once it has asked (`nc -N`). Node closes its connection with the last answer
  // that is due, or at once when none is; all limits hold until then. Its types do not know the property.
  Object.assign(server, { httpAllowHalfOpen: true });
  return server;
}

/** Gives `server` its handlers. */
function answerWith(server: Server, options: ListenOptions): Drain {
  const drain = new Drain(server);
  boundConnections(server, options.onRefused, options.connectionsPerPeer);
  const isOwn = ownHosts(options.host, options.hosts);
  const answer: RequestListener = (request, response) => {
    // Whatever follows a refused request on its connection was hidden in it: it is not even read.
    const { socket } = request;
    if (refused.has(socket)) return;
    boundPipelining(socket);
    drain.used(socket);
    response.once("close", () => {
      answered(socket);
      drain.used(socket);
    });
    const refusal = refusalOf(request, isOwn, options.pages);
    if (refusal === undefined) whenBodyIsEmpty(request, response, options);
    else refuse(request, response, refusal, options);
  };
  server.on("request", answer);
  server.on("checkContinue", (request, response) => {
    // What is refused is not asked to go on.
    if (!refused.has(request.socket) && refusalOf(request, isOwn, options.pages) === undefined) {
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
  return drain;
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
