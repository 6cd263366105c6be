/** @module What interception on a node is made of. */

/** Where the daemon's `pods` listener is. */
export interface ListenerAddress {
  /** An address literal, in the shortest spelling (RFC 5952). */
  readonly address: string;
  readonly port: number;
}

/** A control group of the unified hierarchy (cgroup v2). */
export interface Cgroup {
  /** As nft wants it: from `/sys/fs/cgroup` on, without a leading slash. */
  readonly path: string;
  /** How many groups below the root: 1 for `kubepods.slice`. */
  readonly level: number;
}

/** Interception as it is wanted. Every text in it has been checked: it may stand in a ruleset as it is. */
export interface Interception {
  readonly listener: ListenerAddress;
  /** Absent on a node without IPv6. */
  readonly listener6?: ListenerAddress | undefined;
  /** The device that holds the listener's addresses. */
  readonly device: string;
  /** Only the guard: for a node that starts, before there is a daemon. */
  readonly guardOnly: boolean;
  /** Pods speak to the listener's own address, so it must not be closed to them. */
  readonly direct: boolean;
  /** EKS Pod Identity's addresses are redirected too. */
  readonly podIdentity: boolean;
  /** Packets whose source has no route back to where they came from are dropped. */
  readonly antiSpoof: boolean;
  /** Pods with `hostNetwork: true`, known by their control group; absent when they are left alone. */
  readonly hostNetwork?: HostNetworkPods | undefined;
}

export interface HostNetworkPods {
  readonly pods: Cgroup;
  /** Below {@link pods}, and left alone all the same: the daemon itself. */
  readonly excluded: readonly Cgroup[];
}

/** What is not as it should be. */
export interface Difference {
  readonly part: "guard" | "address" | "redirect";
  /** One line. */
  readonly what: string;
}
