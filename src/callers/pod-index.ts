/** @module The pods of this node as the API server last told, by UID and by address. */
import type { PodChange } from "../kubernetes/reflector.ts";
import type { Pod } from "../kubernetes/pod.ts";

/** How long a pod is served beyond the end of its grace: clocks of two machines differ. */
const GRACE_SLACK_MS = 10_000;

/** UIDs that are known to be gone are remembered, so that no late event brings one back. */
const MAX_GONE = 10_000;

/** Whether `pod` may be served: it runs, or is within its grace. */
export function isLive(pod: Pod, nowMs: number): boolean {
  if (pod.finished) return false;
  return pod.deletionMs === undefined || nowMs <= pod.deletionMs + GRACE_SLACK_MS;
}

/** Whether `pod` is bound to the node and has no address yet: it may be whoever asks from an unknown one. */
export function isStarting(pod: Pod, nowMs: number): boolean {
  return pod.addresses.length === 0 && !pod.hostNetwork && isLive(pod, nowMs);
}

export class PodIndex {
  readonly #pods = new Map<string, Pod>();
  readonly #byAddress = new Map<string, Map<string, Pod>>();
  readonly #gone = new Set<string>();
  readonly #onChange = new Set<(change: PodChange) => void>();
  #synced = false;
  #changes = 0;
  /** When each pod was last told of, among changes. */
  readonly #changedAt = new Map<string, number>();
  readonly #seenMs = new Map<string, number>();
  readonly #now: () => number;

  /** @param now the wall clock, in milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether every pod of the node has been told once. */
  get synced(): boolean {
    return this.#synced;
  }

  get size(): number {
    return this.#pods.size;
  }

  /** When a pod was first told of, in milliseconds since the epoch. */
  seenMs(uid: string): number {
    return this.#seenMs.get(uid) ?? 0;
  }

  /** How many pods have addresses of their own, and are there to stay. */
  get addressedCount(): number {
    let count = 0;
    for (const { hostNetwork, addresses, finished, deletionMs, endsByItself } of this.pods()) {
      const isStaying = !finished && !endsByItself && deletionMs === undefined;
      if (!hostNetwork && isStaying && addresses.length > 0) count++;
    }
    return count;
  }

  pods(): IterableIterator<Pod> {
    return this.#pods.values();
  }

  get(uid: string): Pod | undefined {
    return this.#pods.get(uid);
  }

  /** Every pod that has `address`, whatever its state. */
  at(address: string): Pod[] {
    return [...(this.#byAddress.get(address)?.values() ?? [])];
  }

  /** Told of each change after it was applied, until the function that is returned is called. */
  listen(onChange: (change: PodChange) => void): () => boolean {
    this.#onChange.add(onChange);
    return () => this.#onChange.delete(onChange);
  }

  apply(change: PodChange): void {
    this.#changes++;
    switch (change.type) {
      case "replaced":
        this.#replace(change.pods);
        break;
      case "applied":
        this.#update(change.pod);
        break;
      case "deleted":
        this.#bury(change.uid);
        break;
    }
    for (const listener of this.#onChange) listener(change);
  }

  /** This moment, among changes. */
  get mark(): number {
    return this.#changes;
  }

  /** What was read beside the changes, and asked for at `mark`: what has been told since is newer. */
  applyRead(pod: Pod, mark: number): void {
    if ((this.#changedAt.get(pod.uid) ?? 0) <= mark) this.apply({ type: "applied", pod });
  }

  #replace(pods: readonly Pod[]): void {
    const kept = new Set(pods.map(({ uid }) => uid));
    for (const uid of this.#pods.keys()) if (!kept.has(uid)) this.#remove(uid);
    // All of it is as of one moment: it is believed as it stands, also where etcd was put back in time.
    for (const pod of pods) {
      this.#gone.delete(pod.uid);
      this.#put(pod);
    }
    this.#synced = true;
  }

  /** One event, which may be older than what is known. */
  #update(told: Pod): void {
    if (!this.#gone.has(told.uid)) this.#put(neverBack(this.#pods.get(told.uid), told));
  }

  #put(pod: Pod): void {
    const seenMs = this.#seenMs.get(pod.uid) ?? this.#now();
    this.#remove(pod.uid);
    this.#pods.set(pod.uid, pod);
    this.#changedAt.set(pod.uid, this.#changes);
    this.#seenMs.set(pod.uid, seenMs);
    for (const address of pod.addresses) {
      let there = this.#byAddress.get(address);
      if (there === undefined) {
        there = new Map();
        this.#byAddress.set(address, there);
      }
      there.set(pod.uid, pod);
    }
  }

  /** A UID never comes back: whatever is told of it later was on its way. */
  #bury(uid: string): void {
    this.#remove(uid);
    this.#gone.add(uid);
    const [oldest] = this.#gone;
    if (this.#gone.size > MAX_GONE && oldest !== undefined) this.#gone.delete(oldest);
  }

  #remove(uid: string): void {
    const pod = this.#pods.get(uid);
    this.#changedAt.delete(uid);
    this.#seenMs.delete(uid);
    if (pod === undefined) return;
    this.#pods.delete(uid);
    for (const address of pod.addresses) {
      const there = this.#byAddress.get(address);
      there?.delete(uid);
      if (there?.size === 0) this.#byAddress.delete(address);
    }
  }
}

/**
 * A pod that is ending never lives again. An event that was on its way while a list was made is older
 * than what the list said.
 */
function neverBack(known: Pod | undefined, told: Pod): Pod {
  if (known === undefined || (!known.finished && known.deletionMs === undefined)) return told;
  return {
    ...told,
    finished: known.finished || told.finished,
    deletionMs: told.deletionMs ?? known.deletionMs,
  };
}
