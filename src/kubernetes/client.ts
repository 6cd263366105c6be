/** @module Speaks to the API server: JSON over node:https, with the service account's token. */
import type { IncomingMessage } from "node:http";
import { CrossroleError } from "../errors.ts";
import { ApiFiles } from "./api-files.ts";
import { refusalOf } from "./api-refusal.ts";
import type { ApiAnswer } from "./api-refusal.ts";
import { linesOf, parsedJson, wholeBody } from "./bodies.ts";
import { SilentWatchError } from "./client-types.ts";
import type { ApiRequest, ApiServer, ApiWatch, KubernetesClient } from "./client-types.ts";
import { ApiConnection, UntrustedError } from "./connection.ts";
import { Deadline } from "./deadline.ts";

export type { ApiServer, KubernetesClient } from "./client-types.ts";

const TIMEOUT_MS = 5_000;
/** Until the head of a watch's answer, which comes before its first event. */
const WATCH_HEAD_MS = 15_000;

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * The API server of the cluster that this process runs in, by the variables and files that every pod
 * has; undefined outside of one.
 *
 * @see https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */
export function inClusterApiServer(
  environment: Readonly<Record<string, string | undefined>>,
): ApiServer | undefined {
  const host = environment["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = environment["KUBERNETES_SERVICE_PORT"] ?? "";
  if (host === "" || port === "") return undefined;
  return {
    url: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    caFile: `${SERVICE_ACCOUNT}/ca.crt`,
    tokenFile: `${SERVICE_ACCOUNT}/token`,
  };
}

/** @throws {@link CrossroleError} `ERR_CONFIG_INVALID` for a URL that tokens must not go to. */
export function createKubernetesClient(
  options: ApiServer & {
    /** Milliseconds since the epoch. */
    readonly now?: () => number;
  },
): KubernetesClient {
  return new HttpClient(options, options.now ?? Date.now);
}

type Asked = Omit<ApiRequest, "timeoutMs" | "signal">;

/** Everything that holds or could show the token is private, so that `util.inspect` sees the URL only. */
class HttpClient implements KubernetesClient {
  readonly url: string;
  readonly #connection: ApiConnection;
  readonly #files: ApiFiles;
  readonly #closed = new AbortController();

  constructor({ url, caFile, tokenFile }: ApiServer, now: () => number) {
    this.url = url;
    this.#connection = new ApiConnection(url);
    const ca = this.#connection.isTls ? caFile : undefined;
    this.#files = new ApiFiles({ tokenFile, caFile: ca, now });
  }

  async request({ signal, timeoutMs = TIMEOUT_MS, ...asked }: ApiRequest): Promise<ApiAnswer> {
    using deadline = new Deadline([signal, this.#closed.signal]);
    deadline.set(timeoutMs, () => this.#late(`answer ${asked.method} ${asked.path}`, timeoutMs));
    const { response, token } = await this.#open(asked, deadline.signal, true);
    try {
      return await answerOf(response, [token, asked.secret ?? token]);
    } catch (error) {
      throw this.#connection.explain(error, deadline.signal);
    }
  }

  async *watch({ signal, idleMs, onOpen, ...asked }: ApiWatch): AsyncGenerator {
    using deadline = new Deadline([signal, this.#closed.signal]);
    const headMs = Math.min(idleMs, WATCH_HEAD_MS);
    deadline.set(headMs, () => this.#late(`answer a watch of ${asked.path}`, headMs));
    const opened = await this.#open({ ...asked, method: "GET" }, deadline.signal, false);
    const { response, token } = opened;
    try {
      if (response.statusCode !== 200) {
        throw refusalOf(await answerOf(response, [token]), `watch ${asked.path}`);
      }
      const silent = () =>
        new SilentWatchError("ERR_KUBERNETES_UNAVAILABLE", silence(asked, idleMs));
      deadline.set(idleMs, silent);
      onOpen?.();
      for await (const line of linesOf(response)) {
        deadline.set(idleMs, silent);
        yield parsedJson(line);
      }
    } catch (error) {
      throw this.#connection.explain(error, deadline.signal);
    } finally {
      response.destroy();
    }
  }

  close(): void {
    this.#closed.abort(new CrossroleError("ERR_CLOSED", "crossrole is shutting down"));
    this.#connection.close();
  }

  /** The head of an answer. A token or a CA that has been replaced is read again, once. */
  async #open(asked: Asked, signal: AbortSignal, isShared: boolean) {
    const files = await this.#files.current();
    const send = ({ token, ca }: { readonly token: string; readonly ca: string | undefined }) => {
      signal.throwIfAborted();
      const outgoing = { ...outgoingOf(asked, token), ca, signal, isShared };
      return this.#connection.send(outgoing).then((response) => ({ response, token }));
    };
    try {
      const opened = await send(files);
      if (opened.response.statusCode !== 401) return opened;
      if (!(await this.#files.haveChanged(files))) return opened;
      opened.response.destroy();
    } catch (error) {
      if (!(error instanceof UntrustedError) || !(await this.#files.haveChanged(files)))
        throw error;
      this.#connection.dropIdle();
    }
    return await send(await this.#files.current());
  }

  /** Nothing came. Whatever way the connections of others took is not to be trusted either. */
  #late(what: string, ms: number): CrossroleError {
    this.#connection.dropIdle();
    const message = `the API server at ${this.url} did not ${what} within ${ms / 1_000} s`;
    return new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", message);
  }
}

function silence({ path }: { readonly path: string }, ms: number): string {
  return `the API server sent nothing on a watch of ${path} for ${ms / 1_000} s`;
}

function outgoingOf({ method, path, query, body, accept, impersonate }: Asked, token: string) {
  const search = query === undefined ? "" : `?${new URLSearchParams(query).toString()}`;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers: Record<string, string> = {
    Authorization: `Bearer ${token}`,
    Accept: accept ?? "application/json",
    "User-Agent": "crossrole",
  };
  if (impersonate !== undefined) headers["Impersonate-User"] = impersonate;
  if (text !== undefined) {
    headers["Content-Type"] = "application/json";
    headers["Content-Length"] = String(Buffer.byteLength(text));
  }
  return { method, target: path + search, headers, body: text };
}

async function answerOf(response: IncomingMessage, secrets: readonly string[]): Promise<ApiAnswer> {
  const status = response.statusCode ?? 0;
  const text = await wholeBody(response);
  if (status >= 200 && status < 300) return { status, body: parsedJson(text) };
  // A proxy in between may say anything, in any format, and quote what it was sent.
  let safe = text;
  for (const secret of secrets) safe = safe.replaceAll(secret, "…");
  try {
    return { status, body: JSON.parse(safe) };
  } catch {
    return { status, body: safe.slice(0, 600) };
  }
}
