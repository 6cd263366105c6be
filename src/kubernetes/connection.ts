/** @module One HTTP exchange with the API server: TLS, connections kept, and words for what goes wrong. */
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIPv4 } from "node:net";
import { CrossroleError, messageOf } from "../errors.ts";
import { normalAddress } from "./address.ts";

/** Requests at a time; more wait for their turn. Watches are not counted. */
const MAX_SOCKETS = 16;
/**
 * After so long a silence the kernel asks the other end whether it is there, and gives up 10 s later:
 * a watch that hangs on a dead connection tells of nothing, and of the one pod too few.
 */
const PROBE_MS = 10_000;
/** Idle connections kept for what comes next. */
const MAX_IDLE_SOCKETS = 4;

export interface Outgoing {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
  /** On a connection that others share, rather than on one of its own. */
  readonly isShared: boolean;
}

export class ApiConnection {
  readonly url: string;
  readonly isTls: boolean;
  readonly #base: URL;
  readonly #shared: HttpAgent;
  readonly #own: HttpAgent;

  /** @throws {@link CrossroleError} `ERR_CONFIG_INVALID` for a URL that tokens must not go to. */
  constructor(url: string) {
    this.#base = checkedUrl(url);
    this.url = url;
    this.isTls = this.#base.protocol === "https:";
    const Agent = this.isTls ? HttpsAgent : HttpAgent;
    const limits = { maxSockets: MAX_SOCKETS, maxFreeSockets: MAX_IDLE_SOCKETS };
    this.#shared = new Agent({ keepAlive: true, ...limits });
    this.#own = new Agent({ keepAlive: false });
  }

  /**
   * Sends a request and waits for the head of the answer.
   *
   * @throws {@link CrossroleError} `ERR_KUBERNETES_UNAVAILABLE`; the signal's own reason once it is aborted.
   */
  async send(outgoing: Outgoing): Promise<IncomingMessage> {
    try {
      const first = this.#start(outgoing, outgoing.isShared ? this.#shared : this.#own);
      try {
        return await first.response;
      } catch (error) {
        // The API server closed a connection that had been idle just as it was used again.
        const isStale = first.request.reusedSocket && isReset(error);
        if (!isStale || outgoing.signal.aborted) throw error;
        return await this.#start(outgoing, this.#own).response;
      }
    } catch (error) {
      throw this.explain(error, outgoing.signal);
    }
  }

  /** Forgets the connections that nobody uses: they may be dead at the other end, or trust an old CA. */
  dropIdle(): void {
    for (const sockets of Object.values(this.#shared.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  close(): void {
    this.#shared.destroy();
    this.#own.destroy();
  }

  /** What went wrong, in words and without a field of Node's error. */
  explain(error: unknown, signal: AbortSignal): Error {
    if (signal.aborted && signal.reason instanceof Error) return signal.reason;
    if (error instanceof CrossroleError) return error;
    const what = `cannot reach the API server at ${this.url}`;
    const code = codeOf(error);
    if (/CERT|SELF_SIGNED|UNABLE_TO|^ERR_TLS/.test(code)) {
      const message = `${what}: its certificate is not trusted (${code}); check kubernetes.apiServer.caFile`;
      return new UntrustedError("ERR_KUBERNETES_UNAVAILABLE", message);
    }
    return new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", `${what}: ${why(error)}`);
  }

  #start(outgoing: Outgoing, agent: HttpAgent) {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const options: RequestOptions & { readonly ca?: string | undefined } = {
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ""),
      port: this.#base.port,
      path: this.#base.pathname.replace(/\/$/, "") + outgoing.target,
      method: outgoing.method,
      headers: outgoing.headers,
      signal: outgoing.signal,
      agent,
      ...(this.isTls ? { ca: outgoing.ca } : {}),
    };
    const request: ClientRequest = (this.isTls ? httpsRequest : httpRequest)(options);
    request.once("socket", (socket) => socket.setKeepAlive(true, PROBE_MS));
    request.on("error", reject).once("response", (response) => {
      // Whoever reads the body hears of it; between the head and the first read nobody does.
      response.on("error", () => {});
      resolve(response);
    });
    request.end(outgoing.body);
    return { request, response: promise };
  }
}

function isReset(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ECONNRESET" || code === "EPIPE";
}

/** The API server's certificate is none that the CA signed: another CA might make a difference. */
export class UntrustedError extends CrossroleError {}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection is refused",
  ECONNRESET: "the connection broke",
  ENOTFOUND: "its name does not resolve",
  EAI_AGAIN: "its name does not resolve now",
  EHOSTUNREACH: "no route leads there",
  ENETUNREACH: "no route leads there",
  ETIMEDOUT: "the connection timed out",
};

function why(error: unknown): string {
  const code = codeOf(error);
  const words = REASONS[code];
  if (words !== undefined) return `${words} (${code})`;
  return code === "" ? messageOf(error).replaceAll(/\s+/g, " ").slice(0, 200) : code;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function checkedUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain =
    url?.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (url === undefined || !isPlain) throw badUrl("is no plain URL");
  if (url.protocol === "https:") return url;
  if (url.protocol === "http:" && isLoopback(url.hostname)) return url;
  throw badUrl(
    `${url.protocol}//${url.host} is not https:, and a token would go there in the clear`,
  );
}

function isLoopback(hostname: string): boolean {
  const address = normalAddress(hostname.replace(/^\[|\]$/g, "")) ?? "";
  if (hostname === "localhost" || address === "::1") return true;
  return isIPv4(address) && address.startsWith("127.");
}

function badUrl(what: string): CrossroleError {
  const message = `kubernetes.apiServer.url ${what}; give it as https://HOST:PORT`;
  return new CrossroleError("ERR_CONFIG_INVALID", message);
}
