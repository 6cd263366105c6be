/** @module The pod behind a connection: its address is a hint, its UID is who it is. */
import { CrossroleError } from "../errors.ts";
import type { Pod } from "../kubernetes/pod.ts";
import { hasStarting, nameOf, verdictOf } from "./address-verdict.ts";
import type { Verdict } from "./address-verdict.ts";
import { BoundConnections } from "./bound-connections.ts";
import type { LiveLooks } from "./live-looks.ts";
import { isLive } from "./pod-index.ts";
import type { PodIndex } from "./pod-index.ts";
import type { AttestPod } from "./proc-attest.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { Peer } from "./types.ts";

/** How long a caller waits to be known: boto3 gives up at 1 s, and tries once. */
const WAIT_MS = 700;

/** What of it is left for one last look at the API server: at an address, and at all pods of the node. */
const LAST_LOOK_MS = 200;
const LAST_LIST_MS = 350;

export interface PodCallersOptions {
  readonly index: PodIndex;
  readonly looks: LiveLooks;
  /** Whether the index is told of every change as it happens. */
  readonly isCurrent: () => boolean;
  readonly sandboxes: Sandboxes;
  /** The kernel's word, where it can be had: it goes before every address. */
  readonly attest?: AttestPod | undefined;
  /** An address as it is written in `Pod.addresses`; undefined for what is none. */
  readonly normalAddress: (text: string) => string | undefined;
  /** The wall clock: the end of a pod's grace is said in its time. */
  readonly now: () => number;
  readonly monotonicMs: () => number;
  /** How long a caller waits to be known. Default 700 ms. */
  readonly waitMs?: number | undefined;
}

/**
 * Tells which pod is behind a connection, at once where that is known. What was found out holds for
 * as long as both the connection and the pod live. Never a guess: what could be two is refused.
 */
export class PodCallers {
  readonly #options: PodCallersOptions;
  readonly #bound: BoundConnections;

  constructor(options: PodCallersOptions) {
    this.#options = options;
    this.#bound = new BoundConnections(options.index, options.now);
  }

  /**
   * @throws {@link CrossroleError} `ERR_CALLER_UNKNOWN` for who may never be served here,
   * `ERR_CALLER_PENDING` for who cannot be told yet, and `ERR_CALLER_CHANGED` on the connection of a pod that
   * is gone: whoever it is comes back on another one.
   */
  identify(peer: Peer): Pod | Promise<Pod> {
    const { index, attest } = this.#options;
    const bound = this.#bound.podOf(peer);
    if (bound !== undefined) return bound;
    const known =
      attest === undefined && index.synced ? this.#certain(peer.address, Infinity) : undefined;
    return known === undefined
      ? this.#find(peer).then((pod) => this.#bind(peer, pod))
      : this.#bind(peer, known);
  }

  #bind(peer: Peer, pod: Pod): Pod {
    return this.#bound.bind(peer, this.#normal(peer.address), pod);
  }

  async #find(peer: Peer): Promise<Pod> {
    const { index, attest, monotonicMs, waitMs = WAIT_MS } = this.#options;
    const deadlineMs = monotonicMs() + waitMs;
    const isSynced = await this.#until(() => (index.synced ? true : undefined), deadlineMs);
    if (isSynced === undefined) throw pending("the pods of this node are not known yet");
    const attested = await attest?.(peer).catch(() => undefined);
    if (attested?.uid !== undefined) return await this.#byUid(attested.uid, deadlineMs);
    const pod = await this.#byAddress(peer.address, deadlineMs);
    // Somebody who has borrowed its address.
    if (attested?.sees(pod.uid) === true) throw pending(`${peer.address} ${NOT_HELD}`);
    return pod;
  }

  /** The kernel has told who it is: such a pod has been known since it was bound, or will be any moment. */
  async #byUid(uid: string, deadlineMs: number): Promise<Pod> {
    const { index, looks, isCurrent, now } = this.#options;
    const find = () => index.get(uid);
    const { mark } = looks;
    const look = () => looks.lookFor(uid, mark);
    // A watch that is there tells of it by itself.
    const told = isCurrent() ? await this.#until(find, deadlineMs - LAST_LIST_MS) : undefined;
    const found = told ?? (await this.#until(find, deadlineMs, look));
    const pod = found ?? (await this.#until(find, deadlineMs));
    if (pod === undefined) throw pending(`the pod with UID ${uid} is not known yet`);
    if (isLive(pod, now())) return pod;
    throw unknown(`pod ${nameOf(pod)} has ended`);
  }

  async #byAddress(text: string, deadlineMs: number): Promise<Pod> {
    const { index, looks, now } = this.#options;
    const address = this.#normal(text);
    // Only what the API server says from now on is about whoever asks now.
    const mark = looks.mark;
    const certain = () => this.#certain(address, mark);
    const look = () => looks.lookSince(address, mark);
    const first = this.#verdictOf(address, mark);
    // A pod that is starting will be told of without being asked for.
    const isAwaited = first.kind === "unknown" && hasStarting(index, now());
    if (!isAwaited) {
      await this.#until(certain, deadlineMs, look);
      const settled = this.#verdictOf(address, mark);
      if (settled.kind === "refused") throw refusal(settled, address);
    }
    const lastMs = deadlineMs - (isAwaited ? LAST_LIST_MS : LAST_LOOK_MS);
    const known = await this.#until(certain, lastMs);
    if (known !== undefined) return known;
    const last = await this.#until(certain, deadlineMs, look);
    if (last !== undefined) return last;
    throw refusal(this.#verdictOf(address, mark), address);
  }

  #certain(text: string, mark: number): Pod | undefined {
    const verdict = this.#verdictOf(this.#normal(text), mark);
    return verdict.kind === "pod" ? verdict.pod : undefined;
  }

  #normal(text: string): string {
    return this.#options.normalAddress(text) ?? text;
  }

  #verdictOf(address: string, mark: number): Verdict {
    const { index, looks, now } = this.#options;
    const nowMs = now();
    const isFresh = looks.isSeenSince(address, mark);
    return verdictOf(index, address, { nowMs, isFresh, isDoubtful: this.#isDoubtful(nowMs) });
  }

  /** Whether a pod may have been started that is not known, or whose address is not. */
  #isDoubtful(nowMs: number): boolean {
    const { index, sandboxes, isCurrent } = this.#options;
    const { isQuiet } = sandboxes;
    return isQuiet === undefined ? !isCurrent() || hasStarting(index, nowMs) : !isQuiet;
  }

  /** What `find` finds at some change of the pods; undefined at the deadline, or when `look` ends before. */
  #until<T>(
    find: () => T | undefined,
    deadlineMs: number,
    look?: () => Promise<void>,
  ): Promise<T | undefined> {
    const { index, monotonicMs } = this.#options;
    const found = find();
    const leftMs = deadlineMs - monotonicMs();
    if (found !== undefined || leftMs <= 0) return Promise.resolve(found);
    return new Promise((resolve) => {
      const stop = (value: T | undefined) => {
        clearTimeout(timer);
        unlisten();
        resolve(value);
      };
      const timer = setTimeout(() => stop(find()), leftMs);
      const unlisten = index.listen(() => {
        const value = find();
        if (value !== undefined) stop(value);
      });
      void look?.().then(() => stop(find()));
    });
  }
}

const NOT_HELD = "is a pod's address, but none of that pod's processes has the connection";

function refusal(verdict: Verdict, address: string): CrossroleError {
  switch (verdict.kind) {
    case "refused":
      return unknown(`${address}: ${verdict.reason}`);
    case "ambiguous": {
      const names = verdict.pods.map(nameOf).join(" and ");
      return pending(`${address} is the address of ${names}: it cannot be told which of them asks`);
    }
    case "doubtful":
      return pending(
        `${address} was the address of pod ${nameOf(verdict.pod)}, and another pod is starting that may have it now`,
      );
    case "unknown":
    case "pod":
      return pending(`no pod of this node is known to have the address ${address}`);
  }
}

function pending(message: string): CrossroleError {
  return new CrossroleError("ERR_CALLER_PENDING", message);
}

function unknown(message: string): CrossroleError {
  return new CrossroleError("ERR_CALLER_UNKNOWN", message);
}
