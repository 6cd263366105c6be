/** @module What the pods that are known say of an address. Pure. */
import type { Pod } from "../kubernetes/pod.ts";
import { isLive, isStarting } from "./pod-index.ts";
import type { PodIndex } from "./pod-index.ts";

export type Verdict =
  | { readonly kind: "pod"; readonly pod: Pod }
  /** One pod has it, but it may have been given to another by now. */
  | { readonly kind: "doubtful"; readonly pod: Pod }
  | { readonly kind: "unknown" }
  | { readonly kind: "ambiguous"; readonly pods: readonly Pod[] }
  /** Nobody who has it may ever be served. */
  | { readonly kind: "refused"; readonly reason: string };

interface Doubt {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Whether the API server has just said who has the address. */
  readonly isFresh: boolean;
  /** Whether changes may have happened that nobody has told of. */
  readonly isBehind: boolean;
}

/**
 * Who has `address`. The address of a pod that has ended may be another's before the API server
 * knows of either, so whenever a pod is starting, or the watch is behind, a known owner is a hint and no
 * more: unless `isFresh`, that is, the API server has just said that the owner is there to stay.
 */
export function verdictOf(
  index: PodIndex,
  address: string,
  { nowMs, isFresh, isBehind }: Doubt,
): Verdict {
  const there = index.at(address);
  if (there.some(({ hostNetwork }) => hostNetwork)) return HOST_NETWORK;
  const live = there.filter((pod) => isLive(pod, nowMs));
  const [pod, second] = isFresh ? ownersAmong(live) : live;
  const isAnyStarting = hasStarting(index, nowMs);
  if (pod === undefined) {
    const [ended] = there;
    if (ended === undefined || isAnyStarting || (isBehind && !isFresh)) return { kind: "unknown" };
    return {
      kind: "refused",
      reason: `pod ${nameOf(ended)} has ended, and its address may be reused`,
    };
  }
  if (second !== undefined) return { kind: "ambiguous", pods: live };
  // One that is being deleted may have let go of it already.
  const isStaying = pod.deletionMs === undefined && isFresh;
  return { kind: (isAnyStarting || isBehind) && !isStaying ? "doubtful" : "pod", pod };
}

export function hasStarting(index: PodIndex, nowMs: number): boolean {
  for (const pod of index.pods()) if (isStarting(pod, nowMs)) return true;
  return false;
}

/** `namespace/name`, for words. */
export function nameOf({ namespace, name }: Pick<Pod, "namespace" | "name">): string {
  return `${namespace}/${name}`;
}

const HOST_NETWORK: Verdict = {
  kind: "refused",
  reason:
    "it is the node's own address: pods with hostNetwork share it, and cannot be told from each other",
};

/**
 * Of those that live, the one that stays has the address from one that is being deleted. True of what
 * the API server has just said, and not of what is remembered: a deletion may not have been told.
 */
function ownersAmong(live: readonly Pod[]): readonly Pod[] {
  const staying = live.filter(({ deletionMs }) => deletionMs === undefined);
  return staying.length === 1 ? staying : live;
}
