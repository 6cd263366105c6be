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
  /** Whether a pod may have been started that nobody has told of. */
  readonly isDoubtful: boolean;
}

/**
 * Who has `address`. The address of a pod that has ended may be another's before the API server
 * knows of either, so when a pod may have been started a known owner is a hint and no more: unless
 * `isFresh`, that is, the API server has just said that the owner is there to stay. Of a pod that ends by
 * itself (a Job's) not even that is certain: its address is free before the API server knows.
 */
export function verdictOf(
  index: PodIndex,
  address: string,
  { nowMs, isFresh, isDoubtful }: Doubt,
): Verdict {
  const there = index.at(address);
  if (there.some(({ hostNetwork }) => hostNetwork)) return HOST_NETWORK;
  const live = there.filter((pod) => isLive(pod, nowMs));
  const [pod, second] = isFresh ? ownersAmong(live) : live;
  if (pod === undefined) {
    const [ended] = there;
    if (ended === undefined || hasStarting(index, nowMs) || (isDoubtful && !isFresh))
      return { kind: "unknown" };
    return {
      kind: "refused",
      reason: `pod ${nameOf(ended)} has ended, and its address may be reused`,
    };
  }
  if (second !== undefined) return { kind: "ambiguous", pods: live };
  // One that is being deleted may have let go of it already.
  const isStaying = isFresh && pod.deletionMs === undefined && !pod.endsByItself;
  return { kind: isDoubtful && !isStaying ? "doubtful" : "pod", pod };
}

/**
 * Whether a pod is starting that may have been given any address, however long it has taken: one that
 * waits for a Secret starts the moment somebody makes it.
 *
 * @param youngerThanMs counts only pods that have been known for less. Default: all.
 */
export function hasStarting(index: PodIndex, nowMs: number, youngerThanMs = Infinity): boolean {
  for (const pod of index.pods()) {
    if (isStarting(pod, nowMs) && nowMs - index.seenMs(pod.uid) < youngerThanMs) return true;
  }
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
  const [pod] = staying;
  return staying.length === 1 && pod?.endsByItself === false ? staying : live;
}
