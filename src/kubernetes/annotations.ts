/** @module Annotations of service accounts and namespaces, asked for when needed and kept for a while. */
import { LRUCache } from "lru-cache";
import { refusalOf } from "./api-refusal.ts";
import type { KubernetesClient } from "./client-types.ts";
import { objectIn } from "./json.ts";
import { annotationsIn } from "./pod.ts";

/** How long an answer is good: 30 seconds. */
const FRESH_MS = 30_000;
/** How long it is used while none that is newer is to be had: 10 minutes. */
const USABLE_MS = 600_000;
/** After a failure the API server is left alone: 1 second. */
const REST_MS = 1_000;

/** Objects remembered, and characters of all their annotations. */
const MAX_OBJECTS = 2_000;
const MAX_CHARACTERS = 4 * 1_024 * 1_024;
/** Of one object: allow-lists are long, and whoever owns a namespace writes them. */
const LIMITS = { max: 32, maxLength: 65_536 };

const METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

export type Annotations = Readonly<Record<string, string>>;

interface Held {
  readonly annotations: Annotations | undefined;
  readonly atMs: number;
  /** The last failure since then. */
  readonly failure?: { readonly error: unknown; readonly atMs: number };
}

export class ObjectAnnotations {
  readonly #client: KubernetesClient;
  readonly #impersonate: string | undefined;
  readonly #now: () => number;
  readonly #held = new LRUCache<string, Held>({
    max: MAX_OBJECTS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: ({ annotations = {} }) => JSON.stringify(annotations).length,
  });
  readonly #flights = new Map<string, Promise<Annotations>>();

  constructor(options: {
    readonly client: KubernetesClient;
    /** The user to be for service accounts, `system:node:NODE`; namespaces are read as itself. */
    readonly impersonate: string | undefined;
    /** Milliseconds since the epoch. */
    readonly now: () => number;
  }) {
    this.#client = options.client;
    this.#impersonate = options.impersonate;
    this.#now = options.now;
  }

  /**
   * Those of a service account that may choose a role, as of 30 s ago at most, or of 10 min ago
   * while the API server does not say; none when it does not exist.
   *
   * @throws {@link ApiRefusal}, or {@link CrossroleError} `ERR_KUBERNETES_UNAVAILABLE`
   */
  serviceAccount(namespace: string, name: string): Promise<Annotations> {
    const within = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
    const path = `${within}/serviceaccounts/${encodeURIComponent(name)}`;
    return this.#get(path, this.#impersonate, `read service account ${namespace}/${name}`);
  }

  /** The same of a namespace. */
  namespace(name: string): Promise<Annotations> {
    const path = `/api/v1/namespaces/${encodeURIComponent(name)}`;
    return this.#get(path, undefined, `read namespace ${name}`);
  }

  #get(path: string, impersonate: string | undefined, doing: string): Promise<Annotations> {
    const held = this.#held.get(path);
    const nowMs = this.#now();
    if (held?.annotations !== undefined && isWithin(held.atMs, FRESH_MS, nowMs)) {
      return Promise.resolve(held.annotations);
    }
    if (held?.failure !== undefined && isWithin(held.failure.atMs, REST_MS, nowMs)) {
      return this.#instead(held, held.failure.error);
    }
    const flight = this.#flights.get(path) ?? this.#fetch(path, impersonate, doing);
    this.#flights.set(path, flight);
    return flight;
  }

  async #fetch(path: string, impersonate: string | undefined, doing: string): Promise<Annotations> {
    const atMs = this.#now();
    try {
      const annotations = await this.#ask(path, impersonate, doing);
      this.#held.set(path, { annotations, atMs });
      return annotations;
    } catch (error) {
      const { annotations, atMs: heldAtMs = 0 } = this.#held.get(path) ?? {};
      const held = { annotations, atMs: heldAtMs, failure: { error, atMs: this.#now() } };
      this.#held.set(path, held);
      return await this.#instead(held, error);
    } finally {
      this.#flights.delete(path);
    }
  }

  async #ask(path: string, impersonate: string | undefined, doing: string): Promise<Annotations> {
    const request = { method: "GET", path, impersonate, accept: METADATA_ONLY } as const;
    const answer = await this.#client.request(request);
    if (answer.status === 404) return {};
    if (answer.status !== 200) throw refusalOf(answer, doing);
    return annotationsIn(objectIn(answer.body, "metadata"), isRelevant, LIMITS);
  }

  /** What is held in place of what could not be had, unless it is too old. */
  #instead({ annotations, atMs }: Held, error: unknown): Promise<Annotations> {
    const isUsable = annotations !== undefined && isWithin(atMs, USABLE_MS, this.#now());
    return isUsable ? Promise.resolve(annotations) : Promise.reject(error);
  }
}

function isRelevant(key: string): boolean {
  return /^(?:crossrole\.dev|iam\.amazonaws\.com|eks\.amazonaws\.com)\//.test(key);
}

function isWithin(atMs: number, ms: number, nowMs: number): boolean {
  return nowMs >= atMs && nowMs - atMs < ms;
}
