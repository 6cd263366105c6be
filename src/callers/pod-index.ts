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
  readonly #onChange: ((change: PodChange) => void)[] = [];
  #synced = false;

  /** Whether every pod of the node has been told once. */
  get synced(): boolean {
    return this.#synced;
  }

  get size(): number {
    return this.#pods.size;
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
  listen(onChange: (change: PodChange) => void): () => void {
    this.#onChange.push(onChange);
    return () => {
      const index = this.#onChange.indexOf(onChange);
      if (index >= 0) this.#onChange.splice(index, 1);
    };
  }

  apply(change: PodChange): void {
    switch (change.type) {
      case "replaced":
        this.#replace(change.pods);
        break;
      case "applied":
        this.#put(change.pod);
        break;
      case "deleted":
        this.#remove(change.uid);
        break;
    }
    for (const listener of this.#onChange.slice()) listener(change);
  }

  /** The API server says that this pod is no more: it is not believed again, whatever comes late. */
  evict(uid: string): void {
    this.#gone.add(uid);
    const [oldest] = this.#gone;
    if (this.#gone.size > MAX_GONE && oldest !== undefined) this.#gone.delete(oldest);
    this.apply({ type: "deleted", uid });
  }

  #replace(pods: readonly Pod[]): void {
    const kept = new Set(pods.map(({ uid }) => uid));
    for (const uid of this.#pods.keys()) if (!kept.has(uid)) this.#remove(uid);
    for (const pod of pods) this.#put(pod);
    this.#synced = true;
  }

  #put(told: Pod): void {
    if (this.#gone.has(told.uid)) return;
    const pod = neverBack(this.#pods.get(told.uid), told);
    this.#remove(pod.uid);
    this.#pods.set(pod.uid, pod);
    for (const address of pod.addresses) {
      let there = this.#byAddress.get(address);
      if (there === undefined) {
        there = new Map();
        this.#byAddress.set(address, there);
      }
      there.set(pod.uid, pod);
    }
  }

  #remove(uid: string): void {
    const pod = this.#pods.get(uid);
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
