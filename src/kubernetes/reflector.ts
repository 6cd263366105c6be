/** @module Follows the pods of a node: all there are, then every change, over whatever breaks on the way. */
import { setTimeout as sleep } from "node:timers/promises";
import { CrossroleError, messageOf } from "../errors.ts";
import { ApiRefusal } from "./api-refusal.ts";
import { TooLargeError } from "./bodies.ts";
import { SilentWatchError } from "./client-types.ts";
import type { KubernetesClient } from "./client-types.ts";
import { listPages } from "./list-pods.ts";
import { InitialEventsError, watchPods } from "./pod-watch.ts";
import type { Contact } from "./pod-watch.ts";
import { WatchError } from "./pod-event.ts";
import type { PodChange } from "./pod-event.ts";
import { pauseMs, TIMINGS, untilResyncMs, watchSeconds } from "./reflector-timings.ts";
import type { ReflectorTimings } from "./reflector-timings.ts";
import { Repeats } from "./repeats.ts";

export type { PodChange } from "./pod-event.ts";

/** The same problem is told of once a minute. */
const PROBLEM_EVERY_MS = 60_000;
/** From so many failures on everything is read by LIST, whatever it is that fails. */
const FAILURES_UNTIL_LIST = 3;
/** A reading of everything ends the pauses only when the one before is so long ago: 30 s. */
const CALM_MS = 30_000;

export interface ReflectorOptions {
  readonly client: KubernetesClient;
  readonly node: string;
  /** The user to be, `system:node:NODE`, or undefined for the service account itself. */
  readonly impersonate: string | undefined;
  readonly onChange: (change: PodChange) => void;
  /** Told when changes are sure to be told from now on, again and again. */
  readonly onCurrent?: () => void;
  /** Told of what keeps it from the pods, each distinct message once a minute. */
  readonly onProblem: (error: CrossroleError) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly timings?: Partial<ReflectorTimings>;
}

export interface Reflector {
  /** Ends every connection and timer; nothing is told of any more. */
  close(): void;
  /** Reads everything again, unless that is what it does just now. */
  resync(): void;
  /** When the API server was last heard of, in milliseconds since the epoch. */
  readonly lastContactMs: number | undefined;
  /** Whether everything has been read once. It stays true: what is known is known. */
  readonly synced: boolean;
  /** Whether changes are being told of as they happen: false from the break of a watch to the next one. */
  readonly current: boolean;
}

export function startReflector(options: ReflectorOptions): Reflector {
  const reflector = new PodReflector(options);
  void reflector.run();
  return reflector;
}

class PodReflector implements Reflector {
  lastContactMs: number | undefined;
  synced = false;
  current = false;
  readonly #options: ReflectorOptions;
  readonly #timings: ReflectorTimings;
  readonly #problems: Repeats;
  /** What a watch goes on from; undefined while everything is to be read. */
  #version: string | undefined;
  /** WatchList has failed here, and is not tried again. */
  #usesLists = false;
  #failures = 0;
  /** Whether anything came in this round. */
  #wasHeard = false;
  #syncedAtMs = -Infinity;
  #closed = false;
  /** Aborted by whoever wants the round under way to end. */
  #round = new AbortController();
  #resyncTimer: NodeJS.Timeout | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#timings = { ...TIMINGS, ...options.timings };
    this.#problems = new Repeats(PROBLEM_EVERY_MS, options.now);
  }

  close(): void {
    this.#closed = true;
    this.current = false;
    clearTimeout(this.#resyncTimer);
    this.#round.abort();
  }

  resync(): void {
    if (this.#closed || this.#version === undefined) return;
    this.#version = undefined;
    this.#round.abort();
  }

  /** One round after the other: a reading of everything, or a watch. Never throws. */
  async run(): Promise<void> {
    while (!this.#closed) {
      this.#round = new AbortController();
      this.#wasHeard = false;
      const { signal } = this.#round;
      const startedMs = this.#options.now();
      try {
        await this.#follow(signal);
        this.current = false;
        // The API server ends a watch when its time is over: that is no failure, but for the haste.
        if (this.#options.now() - startedMs >= this.#timings.shortMs) continue;
        this.#failures++;
      } catch (error) {
        this.current = false;
        // Given up by close or resync, which is no failure either.
        if (signal.aborted || !this.#fail(error)) continue;
      }
      const pause = pauseMs(this.#failures, this.#options.random(), this.#timings);
      await sleep(pause, undefined, { signal }).catch(() => {
        // Closed, or asked for everything: there is nothing more to wait for.
      });
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    if (this.#version === undefined) await this.#gap(signal);
    const isListed = this.#usesLists || this.#failures >= FAILURES_UNTIL_LIST;
    if (this.#version === undefined && isListed) await this.#list(signal);
    const { client, node, impersonate, random } = this.#options;
    const { idleMs, initialMs } = this.#timings;
    await watchPods({
      client,
      node,
      impersonate,
      resourceVersion: this.#version,
      timeoutSeconds: watchSeconds(random(), this.#timings),
      idleMs,
      initialMs,
      signal,
      onChange: (change) => this.#tell(change),
      onCurrent: () => {
        this.current = !this.#closed;
        if (this.current) this.#options.onCurrent?.();
      },
      onContact: (contact) => this.#noteContact(contact),
    });
  }

  /** Whatever asks for everything over and over must not keep the API server busy. */
  async #gap(signal: AbortSignal): Promise<void> {
    const sinceMs = Math.max(0, this.#options.now() - this.#syncedAtMs);
    const leftMs = this.#timings.syncGapMs - sinceMs;
    if (leftMs > 0) await sleep(leftMs, undefined, { signal });
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { pods, resourceVersion } = await listPages(this.#options.client, {
      node: this.#options.node,
      impersonate: this.#options.impersonate,
      signal,
    });
    signal.throwIfAborted();
    this.lastContactMs = this.#options.now();
    this.#version = resourceVersion;
    this.#tell({ type: "replaced", pods });
  }

  #tell(change: PodChange): void {
    this.#options.onChange(change);
    if (change.type === "replaced") this.#noteSync();
  }

  #noteSync(): void {
    // Whoever was told may have closed it.
    if (this.#closed) return;
    const nowMs = this.#options.now();
    this.synced = true;
    if (nowMs - this.#syncedAtMs > CALM_MS) this.#failures = 0;
    this.#syncedAtMs = nowMs;
    clearTimeout(this.#resyncTimer);
    const inMs = untilResyncMs(this.#options.random(), this.#timings);
    this.#resyncTimer = setTimeout(() => this.resync(), inMs);
  }

  #noteContact({ resourceVersion, isInitial }: Contact): void {
    this.#wasHeard = true;
    this.lastContactMs = this.#options.now();
    this.#version = resourceVersion ?? this.#version;
    if (!isInitial) this.#failures = 0;
  }

  /** Judges what ended a round; false when the next one need not wait. */
  #fail(error: unknown): boolean {
    if (error instanceof InitialEventsError) {
      this.#usesLists = true;
      return false;
    }
    const isSilence = error instanceof SilentWatchError && !this.#wasHeard;
    if (isSilence || !isPassing(error)) this.#version = undefined;
    this.#failures++;
    if (!(error instanceof ApiRefusal && error.status === 410)) this.#report(error);
    return true;
  }

  #report(error: unknown): void {
    const problem = error instanceof CrossroleError ? error : unforeseen(error);
    if (!this.#problems.isDue(problem.message)) return;
    try {
      this.#options.onProblem(problem);
    } catch {
      // Whoever cannot be told must not end what keeps the pods known.
    }
  }
}

/** Statuses that say nothing about the resource version. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([401, 403, 429, 502, 503, 504]);

/** Whether a watch may go on from where it was. What is not known for certain is read again. */
function isPassing(error: unknown): boolean {
  if (error instanceof WatchError || error instanceof TooLargeError) return false;
  if (error instanceof ApiRefusal) return PASSING_STATUSES.has(error.status);
  return error instanceof CrossroleError && error.code === "ERR_KUBERNETES_UNAVAILABLE";
}

function unforeseen(error: unknown): CrossroleError {
  const message = `the watch on pods broke: ${messageOf(error)}`;
  return new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", message, { cause: error });
}
