/** @module What the API server says at this moment of who has an address: one look at a time for each, and not too often. */
import { isDeepStrictEqual } from "node:util";
import type { Pod } from "../kubernetes/pod.ts";
import type { TokenBucket } from "../credentials/token-bucket.ts";
import { LookBudget } from "./look-budget.ts";
import type { PodIndex } from "./pod-index.ts";

/** How long a look is remembered: longer than anybody waits for one. */
const REST_MS = 1_000;

/** Looks at one address in flight; who comes beyond them is told of later. */
const MAX_LOOKS = 12;

/** How long a look is put off at most; who asked for it has been answered by then. */
const PATIENCE_MS = 700;

/** What a look at all pods of the node is kept under: no address. */
const ALL = "*";

export interface LiveLooksOptions {
  readonly index: PodIndex;
  /** The pods of this node that have `address`, as the API server knows it now. */
  readonly listAt: (address: string) => Promise<readonly Pod[]>;
  /** All pods of this node, as the API server knows it now. */
  readonly listAll: () => Promise<readonly Pod[]>;
  /** The pod of this node with that name, as the API server knows it now. */
  readonly find: (pod: Pick<Pod, "namespace" | "name">) => Promise<Pod | undefined>;
  readonly monotonicMs: () => number;
}

interface Look {
  /** From 1, in the order in which they began. */
  readonly number: number;
  readonly startedMs: number;
  readonly ended: Promise<void>;
  state: "running" | "succeeded" | "failed";
}

export class LiveLooks {
  readonly #options: LiveLooksOptions;
  readonly #budget: LookBudget;
  readonly #looks = new Map<string, Look>();
  #inFlight = 0;
  #count = 0;

  constructor(options: LiveLooksOptions) {
    this.#options = options;
    this.#budget = new LookBudget(options.monotonicMs);
  }

  /** This moment, among looks: what was seen by one that began before it may be over by now. */
  get mark(): number {
    return this.#count;
  }

  /** Whether a look that began after `mark` has succeeded. */
  isSeenSince(address: string, mark: number): boolean {
    return [address, ALL].some((key) => {
      const look = this.#looks.get(key);
      return look?.state === "succeeded" && look.number > mark;
    });
  }

  /**
   * Takes into the index what the API server says of `address` after `mark`. Ends when it has answered, well
   * or not, or is not to be asked so soon.
   */
  async lookSince(address: string, mark: number): Promise<void> {
    if (this.#isOfPod(address)) await this.#look(address, mark, this.#budget.ofPod(address));
    else await this.lookFor(address, mark);
  }

  /**
   * The same for somebody whom nobody has told of. All pods of the node are asked for, by everybody
   * together: so no stranger can keep others from being looked for.
   *
   * @param who the address, or the UID of the pod
   */
  async lookFor(who: string, mark: number): Promise<void> {
    await this.#look(ALL, mark, this.#budget.ofStranger(who));
  }

  /** Pods with hostNetwork share the node's address with everybody on the node. */
  #isOfPod(address: string): boolean {
    return this.#options.index.at(address).some(({ hostNetwork }) => !hostNetwork);
  }

  async #look(key: string, mark: number, buckets: readonly TokenBucket[]): Promise<void> {
    let leftMs = PATIENCE_MS;
    for (;;) {
      const look = this.#looks.get(key);
      if (look !== undefined && look.number > mark) return await look.ended;
      if (look?.state === "running") {
        await look.ended;
        continue;
      }
      const waitMs = Math.max(...buckets.map(({ untilNextMs }) => untilNextMs));
      if (waitMs === 0) break;
      if (waitMs > leftMs) return;
      leftMs -= waitMs;
      await pause(waitMs);
    }
    if (key !== ALL && this.#inFlight >= MAX_LOOKS) return;
    for (const bucket of buckets) bucket.take();
    await this.#start(key);
  }

  async #start(key: string): Promise<void> {
    this.#forgetOld();
    this.#inFlight++;
    const look: Look = {
      number: ++this.#count,
      startedMs: this.#options.monotonicMs(),
      state: "running",
      ended: this.#take(key).then((state) => {
        look.state = state;
        return undefined;
      }),
    };
    this.#looks.set(key, look);
    await look.ended;
  }

  /** Where the API server does not answer, whoever waits is refused, and asks again. */
  async #take(key: string): Promise<"succeeded" | "failed"> {
    try {
      await (key === ALL ? this.#askForAll() : this.#askAt(key));
      return "succeeded";
    } catch {
      return "failed";
    } finally {
      this.#inFlight--;
    }
  }

  async #askAt(address: string): Promise<void> {
    const { index, listAt, find } = this.#options;
    const known = index.at(address);
    const { mark } = index;
    const found = await listAt(address);
    for (const pod of found) index.applyRead(pod, mark);
    for (const pod of known) {
      if (found.some(({ uid }) => uid === pod.uid)) continue;
      const now = await find(pod);
      if (now?.uid === pod.uid) index.applyRead(now, mark);
      else index.apply({ type: "deleted", uid: pod.uid });
    }
  }

  async #askForAll(): Promise<void> {
    const { index, listAll } = this.#options;
    const known = [...index.pods()];
    const { mark } = index;
    const found = await listAll();
    const there = new Set(found.map(({ uid }) => uid));
    for (const pod of found) {
      // Nearly all are as they were, and every change is told to whoever waits.
      if (!isDeepStrictEqual(index.get(pod.uid), pod)) index.applyRead(pod, mark);
    }
    for (const { uid } of known) if (!there.has(uid)) index.apply({ type: "deleted", uid });
  }

  #forgetOld(): void {
    const nowMs = this.#options.monotonicMs();
    for (const [key, look] of this.#looks) {
      if (look.state !== "running" && nowMs - look.startedMs > REST_MS) this.#looks.delete(key);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
