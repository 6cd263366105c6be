/** @module The kernel's word on which pod has the other end of a connection, read from `/proc`. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { hasSocketAt } from "./socket-table.ts";
import type { Peer } from "./types.ts";

/** What the kernel says of a connection. */
interface Attested {
  /**
   * The UID of the pod whose process holds the other end; undefined when the kernel does not tell: not a
   * pod, a pod with hostNetwork, or one in a virtual machine.
   */
  readonly uid: string | undefined;
  /** Whether processes of that pod can be seen: then a connection that none of them holds is not its. */
  readonly sees: (uid: string) => boolean;
}

export type AttestPod = (peer: Peer) => Promise<Attested>;

/** A process in a network namespace, which stands for all in it. */
interface Resident {
  readonly pid: string;
  readonly netns: string;
  readonly uid: string;
}

/** The cgroup of a pod, in both spellings: `pod0a1b2c3d-1111-…` of cgroupfs and `pod0a1b2c3d_1111_…` of systemd. */
const POD_CGROUP = /\bpod([0-9a-f]{8}([-_])[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{12})\b/;

/** The capability's bit. @see https://man7.org/linux/man-pages/man7/capabilities.7.html */
const SYS_PTRACE = 1n << 19n;

/** Processes looked at side by side: a node has thousands, and Node four threads for files. */
const AT_ONCE = 16;

/**
 * Attests by reading `/proc`, or undefined where the processes of pods cannot be seen: that takes
 * `hostPID` and the capability SYS_PTRACE.
 *
 * Nothing that is remembered is believed: a PID and a network namespace's number are both reused, so
 * every answer is read anew from a process that is there.
 */
export async function procAttest(proc = "/proc"): Promise<AttestPod | undefined> {
  const read = (name: string) => readFile(`${proc}/${name}`, "latin1").catch(() => "");
  const own = await readlink(`${proc}/self/ns/net`).catch(() => undefined);
  const [, effective = "0"] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await read("self/status")) ?? [];
  const mayLook = (BigInt(`0x${effective}`) & SYS_PTRACE) !== 0n;
  // Only where all processes of the node are to be seen is the second one the kernel's own.
  const seesAll = (await read("2/comm")).trim() === "kthreadd";
  if (own === undefined || !mayLook || !seesAll) return undefined;
  const attest = new ProcAttest(proc, own);
  const sees = (uid: string) => attest.sees(uid);
  return async (peer) => ({ uid: await attest.podOf(peer), sees });
}

class ProcAttest {
  readonly #proc: string;
  readonly #own: string;
  /** By network namespace. */
  #residents: ReadonlyMap<string, Resident> = new Map();
  #scan: Promise<void> | undefined;

  constructor(proc: string, own: string) {
    this.#proc = proc;
    this.#own = own;
  }

  sees(uid: string): boolean {
    for (const resident of this.#residents.values()) if (resident.uid === uid) return true;
    return false;
  }

  async podOf(peer: Peer): Promise<string | undefined> {
    const known = await this.#among(peer);
    if (known !== undefined) return known;
    // One that is under way may have passed the process by already.
    await this.#scan;
    this.#scan ??= this.#look().finally(() => {
      this.#scan = undefined;
    });
    await this.#scan;
    return await this.#among(peer);
  }

  /**
   * The one pod in whose namespace the socket is. Whoever may make namespaces may give the loopback
   * device in one any address: a socket that is in two is nobody's.
   */
  async #among(peer: Peer): Promise<string | undefined> {
    const residents = [...this.#residents.values()];
    const uids = new Set<string>();
    for (let at = 0; at < residents.length; at += AT_ONCE) {
      const some = residents.slice(at, at + AT_ONCE);
      const holding = await Promise.all(some.map((resident) => this.#holds(resident, peer)));
      for (const [index, resident] of some.entries()) if (holding[index]) uids.add(resident.uid);
    }
    const [uid] = uids;
    return uids.size === 1 ? uid : undefined;
  }

  /** Whether a socket of the namespace is the peer's, and the namespace still is that pod's. */
  async #holds(resident: Resident, { address, port }: Peer): Promise<boolean> {
    const { pid, netns, uid } = resident;
    const read = (name: string) =>
      readFile(`${this.#proc}/${pid}/net/${name}`, "latin1").catch(() => "");
    const [tcp, tcp6] = await Promise.all([read("tcp"), read("tcp6")]);
    if (!hasSocketAt({ tcp, tcp6 }, { address, port })) return false;
    // Read last: had the process been replaced meanwhile, its table would have been another's.
    const now = await this.#residentOf(pid);
    return now?.netns === netns && now.uid === uid;
  }

  /** Every process once; one of each namespace is enough. */
  async #look(): Promise<void> {
    const pids = (await readdir(this.#proc)).filter((name) => /^\d+$/.test(name));
    const residents = new Map<string, Resident>();
    const mixed = new Set<string>();
    for (let at = 0; at < pids.length; at += AT_ONCE) {
      const found = await Promise.all(
        pids.slice(at, at + AT_ONCE).map((pid) => this.#residentOf(pid)),
      );
      for (const resident of found) {
        if (resident === undefined) continue;
        const known = residents.get(resident.netns);
        if (known !== undefined && known.uid !== resident.uid) mixed.add(resident.netns);
        residents.set(resident.netns, resident);
      }
    }
    // A namespace with processes of two pods is neither's.
    for (const netns of mixed) residents.delete(netns);
    this.#residents = residents;
  }

  async #residentOf(pid: string): Promise<Resident | undefined> {
    try {
      const netns = await readlink(`${this.#proc}/${pid}/ns/net`);
      // Everybody with the node's own network shares it.
      if (netns === this.#own) return undefined;
      const cgroups = await readFile(`${this.#proc}/${pid}/cgroup`, "latin1");
      const uid = POD_CGROUP.exec(cgroups)?.[1]?.replaceAll("_", "-");
      return uid === undefined ? undefined : { pid, netns, uid };
    } catch {
      // It has ended, or is not to be seen.
      return undefined;
    }
  }
}
