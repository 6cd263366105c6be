/** @module How many Events may be written: so many of a pod, and so many of a node, fairly. */
import { LRUCache } from "lru-cache";
import { TokenBucket } from "../credentials/token-bucket.ts";

/** Of a whole node: one a second in the long run, 10 at once. */
const OF_NODE = { burst: 10, perSecond: 1 };

/** Of one pod: one a minute in the long run, 5 at once. */
const OF_POD = { burst: 5, perSecond: 1 / 60 };

/** How much of the node's is kept for pods that were told nothing lately: half. */
const KEPT = OF_NODE.burst / 2;

/** Pods whose share is remembered: several times as many as a node has. One that is forgotten has a new share. */
const MAX_PODS = 1_000;

export class EventBudget {
  readonly #now: () => number;
  readonly #ofNode: TokenBucket;
  /** By UID. */
  readonly #ofPods = new LRUCache<string, TokenBucket>({ max: MAX_PODS });

  /** @param now milliseconds */
  constructor(now: () => number) {
    this.#now = now;
    this.#ofNode = new TokenBucket(OF_NODE, now);
  }

  /** Takes one of the pod's share and one of the node's; false when either has none for it. */
  take(uid: string): boolean {
    const ofPod = this.#ofPods.get(uid) ?? new TokenBucket(OF_POD, this.#now);
    const least = ofPod.isFull ? 1 : 1 + KEPT;
    if (ofPod.tokens < 1 || this.#ofNode.tokens < least) return false;
    ofPod.take();
    this.#ofNode.take();
    this.#ofPods.set(uid, ofPod);
    return true;
  }
}
