/** @module HTTP to an API server, with its certificate pinned: what kubectl would be used for elsewhere. */
import { Agent, request as httpsRequest } from "node:https";
import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from "node:http";
import { text } from "node:stream/consumers";
import { createInterface } from "node:readline";

/** An object of the API, as far as tests look at it. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** What the API server says of a failure. */
export interface ApiStatus {
  readonly kind: "Status";
  readonly code: number;
  readonly reason: string;
  readonly message: string;
}

export interface ApiAnswer<T> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: T;
}

export interface ApiRequestOptions {
  /** The bearer token; the administrator's by default, none when it is "". */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the body; `application/json` by default. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

export interface WatchEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: T;
}

/** A client of the API server at `url`, whose certificate is `ca` and no other. */
export class ApiClient {
  readonly #url: string;
  readonly #token: string;
  readonly #agent: Agent;

  constructor(url: string, ca: Buffer, token: string) {
    this.#url = url;
    this.#token = token;
    this.#agent = new Agent({ ca, keepAlive: true });
  }

  /** Whatever it answers; a refusal is an answer. `body` is sent as JSON unless it is text. */
  async request<T = ApiObject & ApiStatus>(
    method: string,
    path: string,
    body?: unknown,
    options: ApiRequestOptions = {},
  ): Promise<ApiAnswer<T>> {
    const response = await this.#open(method, path, body, options);
    const said = await text(response);
    const isJson = response.headers["content-type"]?.includes("json") === true;
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: (isJson ? JSON.parse(said) : said) as T,
    };
  }

  /**
   * A watch; leaving the loop ends it.
   *
   * @yields its events until its end.
   * @throws Error unless it is answered with 200.
   */
  async *watch<T = ApiObject & ApiStatus>(
    path: string,
    options: ApiRequestOptions = {},
  ): AsyncGenerator<WatchEvent<T>> {
    const response = await this.#open("GET", path, undefined, options);
    try {
      if (response.statusCode !== 200)
        throw new Error(`GET ${path}: ${response.statusCode} ${await text(response)}`);
      for await (const line of createInterface({ input: response }))
        yield JSON.parse(line) as WatchEvent<T>;
    } finally {
      response.destroy();
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #open(
    method: string,
    path: string,
    body: unknown,
    { token = this.#token, headers = {}, contentType, signal }: ApiRequestOptions,
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
    const options: RequestOptions = {
      method,
      agent: this.#agent,
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(sent !== undefined && {
          "content-type": contentType ?? "application/json",
          // Node writes no length of a DELETE's body by itself.
          "content-length": Buffer.byteLength(sent),
        }),
        ...headers,
      },
      ...(signal === undefined ? {} : { signal }),
    };
    const request = httpsRequest(`${this.#url}${path}`, options, resolve);
    request.once("error", reject);
    request.end(sent);
    return promise;
  }
}
