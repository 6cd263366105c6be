/** @module Tells the owner of a pod, by `kubectl describe pod`, why it got no credentials. */
import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import { toSeconds } from "../credentials/document.ts";
import { CrossroleError, messageOf } from "../errors.ts";
import { refusalOf } from "./api-refusal.ts";
import type { KubernetesClient } from "./client-types.ts";
import { EventBudget } from "./event-budget.ts";
import type { Pod } from "./pod.ts";

/** The same is said of a pod once in 10 minutes. */
const REPEAT_MS = 600_000;
/** How many sayings are remembered. */
const MAX_REMEMBERED = 2_000;
/** An Event's message, in bytes: 1 KiB. */
const MAX_MESSAGE_BYTES = 1_024;
/** So that the suffix fits behind it within the 253 characters of a name. */
const MAX_NAME_LENGTH = 230;

/** What an Event says of the pod that it is on. */
export type EventfulPod = Pick<Pod, "uid" | "namespace" | "name">;

export interface PodEventInit {
  /** One word in CamelCase: `RoleDenied`. */
  readonly reason: string;
  /** For people. Never a secret. */
  readonly message: string;
  readonly type: "Warning" | "Normal";
}

export interface PodEventsOptions {
  readonly client: KubernetesClient;
  /** The node's name: the host of the Event's source. */
  readonly node: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told of the first Event that could not be written, and not again until one could. */
  readonly onProblem: (error: CrossroleError) => void;
}

export class PodEvents {
  readonly #options: PodEventsOptions;
  readonly #saidAtMs = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  readonly #closed = new AbortController();
  readonly #budget: EventBudget;
  #isFailing = false;

  constructor(options: PodEventsOptions) {
    this.#options = options;
    this.#budget = new EventBudget(options.now);
  }

  /** Writes an Event in the background: never throws, never waits, and leaves out what is too much. */
  record(pod: EventfulPod, event: PodEventInit): void {
    if (this.#closed.signal.aborted || !this.#isDue(pod, event)) return;
    this.#write(pod, event).catch((error: unknown) => {
      this.#noteFailure(error);
    });
  }

  /** Gives up what is being written. */
  close(): void {
    this.#closed.abort();
  }

  #isDue({ uid }: EventfulPod, { reason, message }: PodEventInit): boolean {
    const key = JSON.stringify([uid, reason, message]);
    const nowMs = this.#options.now();
    const saidAtMs = this.#saidAtMs.get(key);
    if (saidAtMs !== undefined && Math.abs(nowMs - saidAtMs) < REPEAT_MS) return false;
    if (!this.#budget.take(uid)) return false;
    this.#saidAtMs.set(key, nowMs);
    return true;
  }

  async #write(pod: EventfulPod, { reason, message, type }: PodEventInit): Promise<void> {
    const { client, node, now } = this.#options;
    const timestamp = toSeconds(new Date(now()));
    const answer = await client.request({
      method: "POST",
      path: `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/events`,
      body: {
        kind: "Event",
        apiVersion: "v1",
        metadata: { name: eventName(pod), namespace: pod.namespace },
        involvedObject: {
          kind: "Pod",
          apiVersion: "v1",
          namespace: pod.namespace,
          name: pod.name,
          uid: pod.uid,
        },
        reason,
        message: cut(message),
        type,
        count: 1,
        firstTimestamp: timestamp,
        lastTimestamp: timestamp,
        source: { component: "crossrole", host: node },
        reportingComponent: "crossrole",
        reportingInstance: node.slice(0, 128),
      },
      signal: this.#closed.signal,
    });
    if (answer.status !== 201) {
      throw refusalOf(answer, `write an Event on pod ${pod.namespace}/${pod.name}`);
    }
    this.#isFailing = false;
  }

  #noteFailure(error: unknown): void {
    if (this.#isFailing || this.#closed.signal.aborted) return;
    this.#isFailing = true;
    const isOwn = error instanceof CrossroleError;
    const message = `an Event could not be written: ${messageOf(error)}`;
    const problem = isOwn ? error : new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", message);
    try {
      this.#options.onProblem(problem);
    } catch {
      // There is nobody left to be told.
    }
  }
}

function eventName({ name }: EventfulPod): string {
  const stem = name.slice(0, MAX_NAME_LENGTH).replace(/[.-]+$/, "");
  return `${stem}.${randomBytes(8).toString("hex")}`;
}

/** A cut lies between two characters, and not within one. */
function cut(message: string): string {
  const bytes = Buffer.from(message, "utf8");
  if (bytes.length <= MAX_MESSAGE_BYTES) return message;
  return `${bytes.toString("utf8", 0, MAX_MESSAGE_BYTES - 6).replace(/\uFFFD$/, "")}…`;
}
