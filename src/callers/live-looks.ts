/** @module What the API server says at this moment of who has an address. One look at a time for each. */
import type { Pod } from "../kubernetes/pod.ts";
import type { PodIndex } from "./pod-index.ts";

/** How long a look is enough for an address that nobody is known to have. */
const REST_MS = 1_000;

/** For how long an API server that could not be reached counts as away, and how often that is tried again. */
const AWAY_MS = 5_000;
const RETRY_MS = 1_000;

/** Looks in flight; who comes beyond them is told of later. */
const MAX_LOOKS = 16;

export interface LiveLooksOptions {
  readonly index: PodIndex;
  /** The pods of this node that have `address`, as the API server knows it now. */
  readonly listAt: (address: string) => Promise<readonly Pod[]>;
  /** The pod of this node with that name, as the API server knows it now. */
  readonly find: (pod: Pick<Pod, "namespace" | "name">) => Promise<Pod | undefined>;
  /** Whether an error means that the API server cannot be reached, and says nothing to anybody. */
  readonly isUnreachable: (error: unknown) => boolean;
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
  /** When the API server could not be reached the last time, unless it has been since. */
  #awayMs: number | undefined;

  constructor(options: LiveLooksOptions) {
    this.#options = options;
  }

  /** This moment, among looks: what was seen by one that began before it may be over by now. */
  get mark(): number {
    return this.#count;
  }

  /** Whether the API server cannot be reached: whoever starts pods cannot be told of any either. */
  get isAway(): boolean {
    return this.#awayMs !== undefined && this.#options.monotonicMs() - this.#awayMs <= AWAY_MS;
  }

  /** While it is away: finds out whether it is back, once a second, with nobody waiting for it. */
  probe(address: string): void {
    const sinceMs = this.#options.monotonicMs() - (this.#awayMs ?? -Infinity);
    if (this.#inFlight === 0 && sinceMs > RETRY_MS) void this.#start(address);
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
    const startedMs = this.#options.monotonicMs();
    const look: Look = {
      number: ++this.#count,
      startedMs,
      state: "running",
      ended: this.#take(address, startedMs).then((state) => {
        look.state = state;
        return undefined;
      }),
    };
    this.#looks.set(address, look);
    await look.ended;
  }

  /** Where the API server does not answer, whoever waits is refused, and asks again. */
  async #take(address: string, startedMs: number): Promise<"succeeded" | "failed"> {
    try {
      await this.#ask(address);
      this.#awayMs = undefined;
      return "succeeded";
    } catch (error) {
      const isAway = this.#options.isUnreachable(error);
      this.#awayMs = isAway ? startedMs : undefined;
      return "failed";
    } finally {
      this.#inFlight--;
    }
  }

  async #ask(address: string): Promise<void> {
    const { index, listAt, find } = this.#options;
    const known = index.at(address);
    const found = await listAt(address);
    for (const pod of found) index.apply({ type: "applied", pod });
    for (const pod of known) {
      if (found.some(({ uid }) => uid === pod.uid)) continue;
      const now = await find(pod);
      if (now?.uid === pod.uid) index.apply({ type: "applied", pod: now });
      else index.evict(pod.uid);
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
