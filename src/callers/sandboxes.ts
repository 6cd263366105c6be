/** @module Whether somebody may have been given an address that nobody has told of: every pod's sandbox has a device. */
import { readFileSync } from "node:fs";
import { hasStarting } from "./address-verdict.ts";
import type { PodIndex } from "./pod-index.ts";

/** The network devices of the node, each by what no other has; undefined where they cannot be seen. */
export type ReadDevices = () => ReadonlySet<string> | undefined;

/** How long a reading is good: no sandbox is made and its first process started in less. */
const READING_MS = 100;

/** A device that no pod explains for so long is none of a pod's: watches that tell nothing are over by then. */
const UNEXPLAINED_MS = 120_000;

/**
 * After so long a pod without an address is stuck. It must not put everybody in doubt for days: a device
 * that is there for {@link UNEXPLAINED_MS} is not its own, or the watch would have told its address.
 */
const STUCK_MS = 300_000;

export interface SandboxesOptions {
  readonly index: PodIndex;
  /** Whether the index is told of every change as it happens. */
  readonly isCurrent: () => boolean;
  readonly readDevices: ReadDevices;
  readonly now: () => number;
  readonly monotonicMs: () => number;
}

/**
 * Compares the devices of the node with what the pods explain. While there is no new one, no pod has
 * been started since all was known, and every address is whose it was: whatever the watch has missed,
 * and however long the API server is away.
 */
export class Sandboxes {
  readonly #options: SandboxesOptions;
  /** What was there when every pod's address was known; nothing until that was so. */
  #explained: ReadonlySet<string> = new Set();
  #isBlind = false;
  /** Since when each device is there that no pod explains. */
  #unexplained: ReadonlyMap<string, number> = new Map();
  #reading:
    | { readonly atMs: number; readonly devices: ReadonlySet<string> | undefined }
    | undefined;

  constructor(options: SandboxesOptions) {
    this.#options = options;
  }

  /**
   * To be called when the watch has told something, and is so known to be there: once nobody is starting,
   * every device is that of a pod whose address is known.
   */
  told(): void {
    if (!this.#isAllKnown(Infinity)) return;
    const devices = this.#read();
    if (devices !== undefined) this.#explain(devices, devices);
  }

  /**
   * Whether no pod can have been started since every address was known; undefined where that cannot be
   * told: no devices are to be seen, or the network makes none for its pods.
   */
  get isQuiet(): boolean | undefined {
    const { monotonicMs } = this.#options;
    const isOld = this.#reading === undefined || monotonicMs() - this.#reading.atMs > READING_MS;
    const devices = isOld ? this.#read() : this.#reading?.devices;
    if (devices === undefined || this.#isBlind) return undefined;
    this.#noteUnexplained(devices);
    if (this.#unexplained.size === 0) return true;
    // Each for itself: one that has just come may be that of a pod.
    const isNobodys = (sinceMs = Infinity) => monotonicMs() - sinceMs > UNEXPLAINED_MS;
    const isExplained = (device: string) =>
      this.#explained.has(device) || isNobodys(this.#unexplained.get(device));
    const explained = new Set([...devices].filter((device) => isExplained(device)));
    const hasNobodys = devices.size - explained.size < this.#unexplained.size;
    if (hasNobodys && this.#isAllKnown(STUCK_MS)) this.#explain(devices, explained);
    return false;
  }

  #noteUnexplained(devices: ReadonlySet<string>): void {
    const nowMs = this.#options.monotonicMs();
    const before = this.#unexplained;
    const unexplained = [...devices].filter((device) => !this.#explained.has(device));
    this.#unexplained = new Map(
      unexplained.map((device) => [device, before.get(device) ?? nowMs] as const),
    );
  }

  #explain(all: ReadonlySet<string>, explained: ReadonlySet<string>): void {
    // IPVLAN and its like leave no device of a pod on the node: there they vouch for nothing.
    this.#isBlind = !this.#hasOneEach(all);
    this.#explained = explained;
  }

  /** Whether every pod has an address but those that have had none for `stuckMs`. */
  #isAllKnown(stuckMs: number): boolean {
    const { index, isCurrent, now } = this.#options;
    return index.synced && isCurrent() && !hasStarting(index, now(), stuckMs);
  }

  /** Besides the loopback device. */
  #hasOneEach(devices: ReadonlySet<string>): boolean {
    return devices.size - 1 >= this.#options.index.addressedCount;
  }

  #read(): ReadonlySet<string> | undefined {
    const { monotonicMs, readDevices } = this.#options;
    const devices = readDevices();
    this.#reading = { atMs: monotonicMs(), devices };
    return devices;
  }
}

/**
 * The devices of the network namespace that this process is in, by number and name, from one small file:
 * `/sys` shows those of the namespace that it was mounted in.
 */
export function procDevices(path = "/proc/self/net/igmp"): ReadDevices {
  return () => {
    try {
      const table = readFileSync(path, "latin1");
      return new Set([...table.matchAll(/^(\d+\s+\S+)/gm)].map(([, device = ""]) => device));
    } catch {
      return undefined;
    }
  };
}
