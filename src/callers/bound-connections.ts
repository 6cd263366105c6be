/** @module Which connection is which pod's: for good, for nobody else goes on with it once that pod is gone. */
import { CrossroleError } from "../errors.ts";
import type { Pod } from "../kubernetes/pod.ts";
import { nameOf } from "./address-verdict.ts";
import { isLive } from "./pod-index.ts";
import type { PodIndex } from "./pod-index.ts";
import type { Peer } from "./types.ts";

interface Bound {
  readonly pod: Pod;
  /** As it is written in `Pod.addresses`. */
  readonly address: string;
  /** The UIDs of the pods that had the address when it was bound. */
  readonly there: ReadonlySet<string>;
  /** How many answers there had been by then. */
  readonly answered: number;
  /** The change of the pods up to which the address is known to be in the same hands. */
  checkedAt: number;
}

export class BoundConnections {
  readonly #index: PodIndex;
  readonly #now: () => number;
  readonly #bound = new WeakMap<object, Bound>();

  /** @param now the wall clock, in milliseconds since the epoch */
  constructor(index: PodIndex, now: () => number) {
    this.#index = index;
    this.#now = now;
  }

  /**
   * The pod that the connection was found to be of. Undefined when that is not found out yet, or is to be
   * found out anew: where nothing has been answered since, the request may have begun with a pod of before.
   *
   * @throws {@link CrossroleError} `ERR_CALLER_CHANGED` when it is that pod's no more.
   */
  podOf(peer: Peer): Pod | undefined {
    const bound = this.#bound.get(peer.connection);
    if (bound === undefined) return undefined;
    const pod = this.#index.get(bound.pod.uid);
    if (pod !== undefined && isLive(pod, this.#now()) && this.#isInSameHands(bound)) return pod;
    if (peer.answered > bound.answered) throw changed(bound.pod);
    return undefined;
  }

  /**
   * Binds the connection to `pod`.
   *
   * @param address as it is written in `Pod.addresses`
   * @throws {@link CrossroleError} `ERR_CALLER_CHANGED` when another request on it was answered as another pod's.
   */
  bind(peer: Peer, address: string, pod: Pod): Pod {
    const before = this.#bound.get(peer.connection);
    const isSame = before?.pod.uid === pod.uid;
    if (before !== undefined && !isSame && peer.answered > before.answered) {
      throw changed(before.pod);
    }
    this.#bound.set(peer.connection, {
      pod,
      address,
      there: new Set(this.#index.at(address).map(({ uid }) => uid)),
      answered: isSame ? before.answered : peer.answered,
      checkedAt: this.#index.mark,
    });
    return pod;
  }

  /** Whether nobody has come to the address, and the pod has it still if it had it: the kernel names others too. */
  #isInSameHands(bound: Bound): boolean {
    const { mark } = this.#index;
    if (bound.checkedAt === mark) return true;
    const { pod, address, there } = bound;
    const nowMs = this.#now();
    const now = this.#index.at(address);
    const hasCome = now.some((one) => !there.has(one.uid) && isLive(one, nowMs));
    const hasLost = there.has(pod.uid) && !now.some(({ uid }) => uid === pod.uid);
    if (hasCome || hasLost) return false;
    bound.checkedAt = mark;
    return true;
  }
}

function changed(pod: Pod): CrossroleError {
  const message = `the connection was pod ${nameOf(pod)}'s, which has ended or no longer has its address`;
  return new CrossroleError("ERR_CALLER_CHANGED", message);
}
