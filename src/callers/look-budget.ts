/** @module How often the API server may be asked who has an address: the sum over all nodes is its load. */
import { LRUCache } from "lru-cache";
import { TokenBucket } from "../credentials/token-bucket.ts";
import type { Rate } from "../credentials/token-bucket.ts";

/** Looks at the addresses of pods that were told of: of one, and of a node, which is what a kubelet may ask too. */
const OF_POD: Rate = { burst: 10, perSecond: 5 };
const OF_PODS: Rate = { burst: 40, perSecond: 20 };

/**
 * Looks for somebody whom nobody has told of. Of one, an agent of the node that asks for ever, say: three,
 * and then one in 30 s. Of all together so often that whoever is new need not wait for longer than it can.
 */
const OF_STRANGER: Rate = { burst: 3, perSecond: 1 / 30 };
const OF_STRANGERS: Rate = { burst: 2, perSecond: 2 };

/** Each kind by itself, so that no number of strangers takes the place of a pod. */
const MAX_REMEMBERED = 1_000;

export class LookBudget {
  readonly #monotonicMs: () => number;
  readonly #pods: TokenBucket;
  readonly #strangers: TokenBucket;
  readonly #ofPod = new LRUCache<string, TokenBucket>({ max: MAX_REMEMBERED });
  readonly #ofStranger = new LRUCache<string, TokenBucket>({ max: MAX_REMEMBERED });

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#pods = new TokenBucket(OF_PODS, monotonicMs);
    this.#strangers = new TokenBucket(OF_STRANGERS, monotonicMs);
  }

  /** What a look at the address of a pod takes from: it is no stranger's any more. */
  ofPod(address: string): readonly TokenBucket[] {
    this.#ofStranger.delete(address);
    return [this.#bucketIn(this.#ofPod, address, OF_POD), this.#pods];
  }

  /** What a look for `who` takes from. */
  ofStranger(who: string): readonly TokenBucket[] {
    return [this.#bucketIn(this.#ofStranger, who, OF_STRANGER), this.#strangers];
  }

  #bucketIn(buckets: LRUCache<string, TokenBucket>, key: string, rate: Rate): TokenBucket {
    const known = buckets.get(key);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(rate, this.#monotonicMs);
    buckets.set(key, bucket);
    return bucket;
  }
}
