/** @module The pod that a token claims to be of: known, waited for, or asked for by its name. */
import { LRUCache } from "lru-cache";
import { TokenBucket } from "../credentials/token-bucket.ts";
import { CrossroleError } from "../errors.ts";
import type { Pod } from "../kubernetes/pod.ts";
import type { PodIndex } from "./pod-index.ts";

/** How long a caller waits for its pod to be known: clients of container credentials give up at 1 s. */
const WAIT_MS = 700;

/** Callers that wait at once; who comes beyond them asks again. */
const MAX_WAITING = 256;

/** Looks in flight, and how often: claims cost nothing to make, and each could name another pod. */
const MAX_LOOKS = 4;
const LOOKS = { burst: 10, perSecond: 10 };

/** How long a pod that a look has not found is not looked for again, and how many of them are remembered. */
const ABSENT_MS = 5_000;
const MAX_ABSENT = 1_000;

type Claimed = Pick<Pod, "uid" | "namespace" | "name">;

export interface ClaimedPodsOptions {
  readonly index: PodIndex;
  /** The pod of this node with that name, as the API server knows it now. */
  readonly find: (pod: Pick<Pod, "namespace" | "name">) => Promise<Pod | undefined>;
  readonly monotonicMs: () => number;
}

export class ClaimedPods {
  readonly #options: ClaimedPodsOptions;
  /** By UID. */
  readonly #looks = new Map<string, Promise<"present" | "absent" | "untold">>();
  readonly #absent = new LRUCache<string, true>({ max: MAX_ABSENT, ttl: ABSENT_MS });
  #waiting = 0;
  readonly #budget: TokenBucket;

  constructor(options: ClaimedPodsOptions) {
    this.#options = options;
    this.#budget = new TokenBucket(LOOKS, options.monotonicMs);
  }

  /**
   * The pod, whatever its state; undefined when the API server has just said that there is no such one.
   *
   * @throws {@link CrossroleError} `ERR_CALLER_PENDING` while neither is known: a pod can ask before the
   * watch has told of it, and a client does not come back from a 401 as it does from a 500.
   */
  find(claimed: Claimed): Pod | undefined | Promise<Pod | undefined> {
    const known = this.#options.index.get(claimed.uid);
    if (known !== undefined || this.#absent.has(claimed.uid)) return known;
    if (this.#waiting >= MAX_WAITING) throw pending(claimed);
    return this.#await(claimed);
  }

  async #await(claimed: Claimed): Promise<Pod | undefined> {
    const { index } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Pod | undefined>();
    const timer = setTimeout(() => reject(pending(claimed)), WAIT_MS);
    const unlisten = index.listen(() => {
      const pod = index.get(claimed.uid);
      if (pod !== undefined) resolve(pod);
    });
    this.#waiting++;
    void this.#lookFor(claimed).then((told) => told === "absent" && resolve(undefined));
    try {
      return await promise;
    } finally {
      this.#waiting--;
      clearTimeout(timer);
      unlisten();
    }
  }

  /** One look for each pod at a time, however many wait for it. Never fails. */
  async #lookFor(claimed: Claimed): Promise<"present" | "absent" | "untold"> {
    const running = this.#looks.get(claimed.uid);
    if (running !== undefined) return await running;
    if (this.#looks.size >= MAX_LOOKS || this.#budget.untilNextMs > 0) return "untold";
    this.#budget.take();
    const look = this.#look(claimed)
      .catch(() => "untold" as const)
      .finally(() => this.#looks.delete(claimed.uid));
    this.#looks.set(claimed.uid, look);
    return await look;
  }

  /** Takes into the index what is found there; who waits is told of it by that. */
  async #look(claimed: Claimed): Promise<"present" | "absent"> {
    const { index, find } = this.#options;
    let isTold = false;
    const unlisten = index.listen((change) => {
      isTold ||= change.type === "deleted" && change.uid === claimed.uid;
      isTold ||= index.get(claimed.uid) !== undefined;
    });
    try {
      const found = await find(claimed);
      // What the watch has told meanwhile is newer: it must not be undone.
      if (isTold) return "present";
      if (found?.uid === claimed.uid) {
        index.apply({ type: "applied", pod: found });
        return "present";
      }
      this.#absent.set(claimed.uid, true);
      return "absent";
    } finally {
      unlisten();
    }
  }
}

function pending({ namespace, name }: Claimed): CrossroleError {
  const message = `pod ${namespace}/${name}, which a token claims to be of, is not known yet`;
  return new CrossroleError("ERR_CALLER_PENDING", message);
}
