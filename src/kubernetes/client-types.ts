/** @module What is asked of an API server, and what speaks to it. */
import { CrossroleError } from "../errors.ts";
import type { ApiAnswer } from "./api-refusal.ts";

/** Where an API server is, and what proves who it is and who asks. */
export interface ApiServer {
  /** `https://HOST:PORT`, with or without a path before `/api`; `http://` on loopback only. */
  readonly url: string;
  /** The certificates that sign the API server's own, in PEM. */
  readonly caFile: string;
  /** The bearer token. */
  readonly tokenFile: string;
}

export interface ApiRequest {
  readonly method: "GET" | "POST";
  /** Below the API server's URL, each part percent-encoded: `/api/v1/pods`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** What is in the body and must not come back in the words of a refusal. */
  readonly secret?: string;
  /** Default `application/json`. */
  readonly accept?: string;
  /** `Impersonate-User`: `system:node:worker-1`. */
  readonly impersonate?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** When it is given up, in milliseconds. Default 5 s. */
  readonly timeoutMs?: number;
}

export interface ApiWatch {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly impersonate?: string | undefined;
  readonly signal: AbortSignal;
  /** How long nothing may arrive, in milliseconds, before the connection counts as dead. */
  readonly idleMs: number;
  /** Told when the API server has accepted it: what happens from now on will be told. */
  readonly onOpen?: () => void;
}

/** Nothing arrived on a watch for so long that its connection counts as dead. */
export class SilentWatchError extends CrossroleError {}

export interface KubernetesClient {
  /** As it was configured. */
  readonly url: string;
  /**
   * Asks once, whatever the status of the answer.
   *
   * @throws {@link CrossroleError} `ERR_KUBERNETES_UNAVAILABLE` when there is no answer, or none of
   * an API server's; `ERR_CLOSED` when `signal` gave it up.
   */
  request(request: ApiRequest): Promise<ApiAnswer>;
  /**
   * The lines of a watch, until the API server ends it.
   *
   * @throws {@link ApiRefusal} for a status that is not 200, {@link SilentWatchError}, and as
   * {@link request} does.
   */
  watch(watch: ApiWatch): AsyncIterable<unknown>;
  /** Closes every connection; what is under way is refused with `ERR_CLOSED`. */
  close(): void;
}
