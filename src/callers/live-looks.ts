/** @module What the API server says at this moment of who has an address. One look at a time for each. */
import type { Pod } from "../kubernetes/pod.ts";
import type { PodIndex } from "./pod-index.ts";

/** How long a look is enough for an address that nobody is known to have. */
const REST_MS = 1_000;

/** Looks in flight; who comes beyond them is told of later. */
const MAX_LOOKS = 16;

export interface LiveLooksOptions {
  readonly index: PodIndex;
  /** The pods of this node that have `address`, as the API server knows it now. */
  readonly listAt: (address: string) => Promise<readonly Pod[]>;
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
  readonly #looks = new Map<string, Look>();
  #inFlight = 0;
  #count = 0;

  constructor(options: LiveLooksOptions) {
    this.#options = options;
  }

  /** This moment, among looks: what was seen by one that began before it may be over by now. */
  get mark(): number {
    return this.#count;
  }

  /** Whether a look that began after `mark` has succeeded. */
  isSeenSince(address: string, mark: number): boolean {
    const look = this.#looks.get(address);
    return look?.state === "succeeded" && look.number > mark;
  }

  /** Takes into the index what the API server says after `mark`. Ends when it has answered, well or not. */
  async lookSince(address: string, mark: number): Promise<void> {
    const look = this.#looks.get(address);
    if (look !== undefined && look.number > mark) return await look.ended;
    if (look?.state === "running") {
      await look.ended;
      return await this.lookSince(address, mark);
    }
    await this.#start(address);
  }

  /** The same for an address that nobody is known to have: it is asked for once a second. */
  async lookSometimes(address: string): Promise<void> {
    const look = this.#looks.get(address);
    if (look === undefined || this.#isOld(look)) await this.#start(address);
    else await look.ended;
  }

  async #start(address: string): Promise<void> {
    this.#forgetOld();
    if (this.#inFlight >= MAX_LOOKS) return;
    this.#inFlight++;
    const look: Look = {
      number: ++this.#count,
      startedMs: this.#options.monotonicMs(),
      state: "running",
      ended: this.#take(address).then((state) => {
        look.state = state;
        return undefined;
      }),
    };
    this.#looks.set(address, look);
    await look.ended;
  }

  /** Where the API server does not answer, whoever waits is refused, and asks again. */
  async #take(address: string): Promise<"succeeded" | "failed"> {
    try {
      await this.#ask(address);
      return "succeeded";
    } catch {
      return "failed";
    } finally {
      this.#inFlight--;
    }
  }

  async #ask(address: string): Promise<void> {
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

  #isOld({ startedMs }: Look): boolean {
    return this.#options.monotonicMs() - startedMs > REST_MS;
  }

  #forgetOld(): void {
    for (const [address, look] of this.#looks) {
      if (look.state !== "running" && this.#isOld(look)) this.#looks.delete(address);
    }
  }
}
