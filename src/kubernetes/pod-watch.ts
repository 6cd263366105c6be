/** @module One connection of a watch on the pods of a node, from its first event to its end. */
import { CrossroleError } from "../errors.ts";
import { ApiRefusal } from "./api-refusal.ts";
import { TooLargeError } from "./bodies.ts";
import type { KubernetesClient } from "./client-types.ts";
import { Deadline } from "./deadline.ts";
import { podEventOf, WatchError } from "./pod-event.ts";
import type { PodChange, PodEvent } from "./pod-event.ts";
import type { Pod } from "./pod.ts";

export interface PodWatchOptions {
  readonly client: KubernetesClient;
  readonly node: string;
  readonly impersonate: string | undefined;
  /** What it goes on from; undefined asks for all there is first (WatchList). */
  readonly resourceVersion: string | undefined;
  /** When the API server is to end it. */
  readonly timeoutSeconds: number;
  /** How long nothing may arrive. */
  readonly idleMs: number;
  /** How long all there is may take to arrive. */
  readonly initialMs: number;
  readonly signal: AbortSignal;
  readonly onChange: (change: PodChange) => void;
  /** Told when changes are sure to be told from now on: all there was has been. */
  readonly onCurrent: () => void;
  /** Told of every line, after the change that it brings. */
  readonly onContact: (contact: Contact) => void;
}

/** A line of a watch. */
export interface Contact {
  /** What a watch may go on from; undefined for all of the first events but the last. */
  readonly resourceVersion: string | undefined;
  /** One of the first events, which tell what there is, and not what happens. */
  readonly isInitial: boolean;
}

/** A watch that goes on from where another broke has told what happened meanwhile after so long: 2 s. */
const BACKLOG_MS = 2_000;

/** All there is did not arrive as WatchList promises: this API server is to be asked by LIST. */
export class InitialEventsError extends CrossroleError {}

/**
 * Tells of changes until the API server ends the connection, and of none once the signal is aborted.
 *
 * @throws {@link WatchError}, {@link ApiRefusal}, {@link InitialEventsError}, or a
 * {@link CrossroleError} of the client; the signal's reason
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists
 */
export async function watchPods(options: PodWatchOptions): Promise<void> {
  const { client, node, impersonate, signal, idleMs, onChange, onContact, onCurrent } = options;
  using deadline = new Deadline([signal]);
  const initial = options.resourceVersion === undefined ? new InitialEvents() : undefined;
  if (initial !== undefined) {
    deadline.set(options.initialMs, () => incomplete(`took over ${options.initialMs / 1_000} s`));
  }
  const query = queryOf(options);
  let settling: NodeJS.Timeout | undefined;
  // What happened since the last one is told behind the head of the answer, line by line.
  const onOpen = () => {
    if (initial === undefined) settling = setTimeout(onCurrent, BACKLOG_MS);
  };
  const asked = { path: "/api/v1/pods", query, impersonate, signal: deadline.signal };
  try {
    for await (const line of client.watch({ ...asked, idleMs, onOpen })) {
      deadline.signal.throwIfAborted();
      const event = podEventOf(line, node);
      const isInitial = initial?.isPending === true;
      const change = isInitial ? initial.take(event) : event.change;
      const isMore = initial?.isPending === true;
      if (!isMore) deadline.clear();
      if (change !== undefined) onChange(change);
      if (isInitial && !isMore) onCurrent();
      onContact({ resourceVersion: isMore ? undefined : event.resourceVersion, isInitial });
    }
  } catch (error) {
    if (initial?.isPending === true && isAboutWatchList(error, initial)) throw incomplete(error);
    throw error;
  } finally {
    clearTimeout(settling);
  }
  if (initial?.isPending === true) throw incomplete("ended too early");
}

/** What there is, put together until the API server says that it is all. */
class InitialEvents {
  /** Whether more is to come. */
  isPending = true;
  /** Whether anything has come. */
  hasBegun = false;
  readonly #pods = new Map<string, Pod>();

  /** The one change that all of them make, with the last of them. */
  take({ change, endsInitialEvents }: PodEvent): PodChange | undefined {
    this.hasBegun = true;
    if (change?.type === "applied") this.#pods.set(change.pod.uid, change.pod);
    if (change?.type === "deleted") this.#pods.delete(change.uid);
    if (!endsInitialEvents) return undefined;
    this.isPending = false;
    return { type: "replaced", pods: [...this.#pods.values()] };
  }
}

function queryOf({ node, resourceVersion, timeoutSeconds }: PodWatchOptions) {
  return {
    watch: "1",
    fieldSelector: `spec.nodeName=${node}`,
    allowWatchBookmarks: "true",
    timeoutSeconds: String(timeoutSeconds),
    ...(resourceVersion === undefined
      ? { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan" }
      : { resourceVersion }),
  };
}

/** Statuses that a LIST would get as well. */
const UNRELATED_STATUSES: ReadonlySet<number> = new Set([401, 403, 429, 502, 503]);

function isAboutWatchList(error: unknown, { hasBegun }: InitialEvents): boolean {
  if (error instanceof WatchError || error instanceof TooLargeError) return true;
  if (error instanceof ApiRefusal) return !UNRELATED_STATUSES.has(error.status);
  // A connection that cannot be made says nothing; one that breaks on the way may break each time.
  return hasBegun && error instanceof CrossroleError && error.code === "ERR_KUBERNETES_UNAVAILABLE";
}

function incomplete(why: unknown): InitialEventsError {
  const words = why instanceof Error ? why.message : String(why);
  const message = `the first events of the watch on pods are incomplete: ${words}`;
  return new InitialEventsError("ERR_KUBERNETES_UNAVAILABLE", message, { cause: why });
}
