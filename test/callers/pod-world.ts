/** @module A node as it really is, the API server that knows of it later, and a watch that knows later still. */
import { PodCallers } from "../../src/callers/pods.ts";
import { LiveLooks } from "../../src/callers/live-looks.ts";
import { Sandboxes } from "../../src/callers/sandboxes.ts";
import { PodIndex } from "../../src/callers/pod-index.ts";
import type { Peer } from "../../src/callers/types.ts";
import type { Pod } from "../../src/kubernetes/pod.ts";

/** Where a pod's life has got to. */
type Phase = "bound" | "running" | "told" | "over" | "ending" | "gone";

interface Being {
  pod: Pod;
  phase: Phase;
  /** The address that its sandbox has; the API server is told of it in phase `told`. */
  address: string | undefined;
  /** How many events a watch had to have told before its sandbox could be made. */
  boundAt: number;
  /** When its sandbox can be made at the earliest: some wait for long. */
  readonly readyMs: number;
}

interface Connection {
  readonly peer: Peer;
  readonly owner: Being;
}

type Event = { readonly lossy: boolean; readonly pod: Pod; readonly type: "applied" | "deleted" };

/** So few that nearly every pod gets an address that another one has just left. */
const ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::4"];
const NAMES = ["orders-0", "orders-1", "job-a", "job-b", "web-0"];
const GRACE_MS = 30_000;
/** Longer than a caller waits. */
const WAIT_MS = 800;
const TICK_MS = 100;
/** How long it may be quiet: longer than any pod takes that does not wait for something, a Secret say. */
const LONG_MS = 310_000;

/**
 * What the model takes for granted, and nothing more: a pod is bound before its sandbox is made, and
 * a watch that is there has told of it by then; and the address of a pod that does not end by itself is
 * free only after the API server knows that it ends. Everything else comes late or is lost, watches
 * break, the API server is away for us alone, and, where the node's devices can be seen, a watch hangs
 * without a word.
 */
export class PodWorld {
  readonly asked = { served: 0, atOnce: 0, refused: 0 };
  nowMs = Date.parse("2026-11-24T12:00:00Z");
  readonly #random: () => number;
  readonly #beings = new Map<string, Being>();
  #events: Event[] = [];
  #delivered = 0;
  #count = 0;
  #serial = 0;
  #index = new PodIndex(() => this.nowMs);
  #sandboxes = this.#newSandboxes();
  #callers = this.#newCallers();
  #connections: Connection[] = [];
  /**
   * `behind`: the watch has broken and the API server is there; `away`: it is not, for us; `frozen`: the
   * watch seems to be there.
   */
  #contact: "current" | "behind" | "away" | "frozen" = "current";
  readonly #hasDevices: boolean;
  readonly #devices = new Set(["lo", "eth0"]);

  constructor(random: () => number, { hasDevices }: { readonly hasDevices: boolean }) {
    this.#random = random;
    this.#hasDevices = hasDevices;
    this.#relist();
  }

  /** Something happens; most often something small. */
  step(): void {
    this.nowMs += Math.floor(this.#random() * 1_500);
    const told = [
      ...repeat(() => this.#bind(), 3),
      ...repeat(() => this.#tellAddress(), 4),
      ...repeat(() => this.#beginToEnd(), 2),
      ...repeat(() => this.#tellEnd(), 2),
    ];
    const [kind] = this.#pick([
      ...told,
      ...repeat(() => this.#endByItself(), 1),
      ...repeat(() => this.#makeSandbox(), 4),
      ...repeat(() => this.#free(), 3),
      ...repeat(() => this.#deliverOne(), this.#contact === "current" ? 8 : 0),
      ...repeat(() => this.#lose(), 1),
      ...repeat(() => this.#regain(), this.#contact === "current" ? 0 : 2),
      ...this.#rarely(() => this.#relist()),
      ...this.#rarely(() => this.#restart()),
      ...this.#rarely(() => this.#rest()),
    ]);
    kind?.();
  }

  /**
   * Somebody asks from an address, on a new connection or on one from before.
   *
   * @returns a complaint when an identity came out that is not whose connection it is
   */
  async ask(settle: (ms: number) => Promise<void>): Promise<string | undefined> {
    const connection = this.#connection();
    if (connection === undefined) return undefined;
    const { peer, owner } = connection;
    const answer = this.#identify(peer);
    if (!(answer instanceof Promise)) {
      this.asked.atOnce++;
      return this.#judge(answer, owner);
    }
    const found = answer.catch(() => undefined);
    // While it waits the watch goes on.
    const isMore = () => this.#contact === "current" && this.#delivered < this.#events.length;
    while (isMore() && this.#random() < 0.7) this.#deliverOne();
    for (let ms = 0; ms < WAIT_MS; ms += TICK_MS) {
      this.nowMs += TICK_MS;
      await settle(TICK_MS);
    }
    return this.#judge(await found, owner);
  }

  /** Once all has been told and nobody is starting, every pod with an address of its own is served at once. */
  unserved(): string | undefined {
    if (this.#contact !== "current") return undefined;
    while (this.#delivered < this.#events.length) this.#deliverOne();
    this.#relist();
    const living = [...this.#beings.values()];
    if (living.some(({ pod }) => pod.addresses.length === 0)) return undefined;
    for (const owner of living) {
      const { address } = owner;
      if (owner.phase !== "told" || address === undefined) continue;
      // Beside one that is still being let go of, it takes a look at the API server.
      if (living.filter(({ pod }) => pod.addresses.includes(address)).length > 1) continue;
      const answer = this.#identify(this.#peerOf(address));
      if (answer instanceof Promise) {
        answer.catch(() => undefined);
        return `${owner.pod.uid} is not served at once`;
      }
      if (answer.uid !== owner.pod.uid) return `${owner.pod.uid} is taken for ${answer.uid}`;
    }
    return undefined;
  }

  #identify(peer: Peer): Pod | Promise<Pod> {
    try {
      return this.#callers.identify(peer);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #judge(found: Pod | undefined, owner: Being): string | undefined {
    if (found === undefined) {
      this.asked.refused++;
      return undefined;
    }
    this.asked.served++;
    if (found.uid === owner.pod.uid) return undefined;
    return `${owner.pod.uid} (${owner.phase}, ${String(owner.address)}) was taken for ${found.uid}`;
  }

  /** Connections end with their pod: its sockets go with its last process. */
  #connection(): Connection | undefined {
    this.#connections = this.#connections.filter(({ owner }) => this.#isRunning(owner));
    const [kept] = this.#pick(this.#connections);
    if (kept !== undefined && this.#random() < 0.4) return kept;
    const owners = [...this.#beings.values()].filter((being) => this.#isRunning(being));
    const [owner] = this.#pick(owners);
    if (owner?.address === undefined) return undefined;
    const connection = { peer: this.#peerOf(owner.address), owner };
    this.#connections.push(connection);
    if (this.#connections.length > 6) this.#connections.shift();
    return connection;
  }

  /** Whether a process of it can ask: none is left of one that has finished, or whose grace is over. */
  #isRunning({ address, pod }: Being): boolean {
    const isOver = pod.deletionMs !== undefined && this.nowMs > pod.deletionMs;
    return address !== undefined && !pod.finished && !isOver;
  }

  #peerOf(address: string): Peer {
    return { address, port: 40_000, localAddress: "", localPort: 0, connection: {}, answered: 0 };
  }

  #bind(): void {
    const used = new Set([...this.#beings.values()].map(({ pod }) => pod.name));
    // A name is free as soon as the API server has let go of its last pod.
    const [name] = this.#pick(NAMES.filter((one) => !used.has(one)));
    if (name === undefined) return;
    const pod: Pod = {
      uid: `uid-${++this.#serial}`,
      namespace: "team",
      name,
      serviceAccount: name.slice(0, -2),
      node: "n1",
      endsByItself: name.startsWith("job"),
      addresses: [],
      hostNetwork: false,
      finished: false,
      deletionMs: undefined,
      annotations: {},
    };
    this.#tell("applied", pod, false);
    const waitMs = this.#random() < 0.1 ? LONG_MS : 0;
    const readyMs = this.nowMs + waitMs;
    const being: Being = { pod, phase: "bound", address: undefined, boundAt: this.#count, readyMs };
    this.#beings.set(pod.uid, being);
  }

  #makeSandbox(): void {
    const taken = new Set([...this.#beings.values()].map(({ address }) => address));
    const [address] = this.#pick(ADDRESSES.filter((one) => !taken.has(one)));
    const canStart = ({ boundAt, readyMs }: Being) =>
      readyMs <= this.nowMs && (this.#contact !== "current" || this.#hasTold(boundAt));
    const [being] = this.#pick(this.#in("bound").filter(canStart));
    if (being === undefined || address === undefined) return;
    being.address = address;
    being.phase = "running";
    this.#devices.add(`veth-${being.pod.uid}`);
    // Nothing in it can ask any earlier.
    this.nowMs += 150;
  }

  #tellAddress(): void {
    const [being] = this.#pick(this.#in("running"));
    if (being !== undefined) this.#toldAddress(being);
  }

  #toldAddress(being: Being): void {
    if (being.address === undefined) return;
    being.phase = "told";
    this.#update(being, { addresses: [being.address] }, false);
  }

  /** By deletion, or by having done its work. */
  #beginToEnd(): void {
    const waiting = this.#in("bound").filter(() => this.#random() < 0.02);
    const [being] = this.#pick([...this.#in("told"), ...this.#in("running"), ...waiting]);
    if (being === undefined) return;
    being.phase = "ending";
    const end = this.#random() < 0.3 ? { finished: true } : { deletionMs: this.nowMs + GRACE_MS };
    this.#update(being, end, true);
  }

  /** Its sandbox goes, and later on the API server lets go of it; or at once. */
  #free(): void {
    const [being] = this.#pick(this.#in("ending"));
    if (being === undefined) return;
    this.#letGo(being);
    if (this.#random() < 0.5) return;
    this.#beings.delete(being.pod.uid);
    being.phase = "gone";
    this.#tell("deleted", being.pod, true);
  }

  /** A Job's pod: its sandbox is gone before the API server knows that it has done its work. */
  #endByItself(): void {
    const [being] = this.#pick(this.#in("told").filter(({ pod }) => pod.endsByItself));
    if (being === undefined) return;
    this.#letGo(being);
    being.phase = "over";
  }

  /** The kubelet says so later. */
  #tellEnd(): void {
    const [being] = this.#pick(this.#in("over"));
    if (being === undefined) return;
    being.phase = "ending";
    this.#update(being, { finished: true }, true);
  }

  #letGo(being: Being): void {
    being.address = undefined;
    this.#devices.delete(`veth-${being.pod.uid}`);
  }

  #update(being: Being, change: Partial<Pod>, lossy: boolean): void {
    being.pod = { ...being.pod, ...change };
    this.#tell("applied", being.pod, lossy);
  }

  #tell(type: Event["type"], pod: Pod, lossy: boolean): void {
    this.#events.push({ type, pod, lossy });
    this.#count++;
  }

  #deliverOne(): void {
    const event = this.#events[this.#delivered];
    if (event === undefined) return;
    this.#delivered++;
    if (event.lossy && this.#random() < 0.2) return;
    this.#index.apply(
      event.type === "deleted"
        ? { type: "deleted", uid: event.pod.uid }
        : { type: "applied", pod: event.pod },
    );
    this.#sandboxes.told();
    if (this.#delivered < 1_000) return;
    this.#events = this.#events.slice(this.#delivered);
    this.#delivered = 0;
  }

  /** The watch breaks, alone or with the API server. */
  #lose(): void {
    if (this.#contact !== "current" || this.#random() < 0.7) return;
    const ways = ["behind", "away", "frozen"] as const;
    const [contact] = this.#pick(ways.slice(0, this.#hasDevices ? 3 : 2));
    this.#contact = contact ?? "behind";
  }

  /** The API server comes back before the watch does. */
  #regain(): void {
    if (this.#contact === "behind") this.#relist();
    this.#contact = this.#contact === "behind" ? "current" : "behind";
  }

  #relist(): void {
    if (this.#contact === "away" || this.#contact === "frozen") return;
    this.#events = [];
    this.#delivered = 0;
    this.#index.apply({ type: "replaced", pods: this.#known() });
    this.#sandboxes.told();
  }

  /** For long nothing happens: by its end the kubelet has told all addresses, and a watch that tells nothing is over. */
  #rest(): void {
    for (const being of this.#in("running")) this.#toldAddress(being);
    if (this.#contact === "frozen") this.#contact = "behind";
    while (this.#contact === "current" && this.#delivered < this.#events.length) this.#deliverOne();
    this.nowMs += LONG_MS;
  }

  #restart(): void {
    this.#index = new PodIndex(() => this.nowMs);
    this.#sandboxes = this.#newSandboxes();
    this.#callers = this.#newCallers();
    this.#connections = [];
    this.#contact = "current";
    this.#relist();
  }

  #isCurrent(): boolean {
    return this.#contact === "current" || this.#contact === "frozen";
  }

  #newSandboxes(): Sandboxes {
    return new Sandboxes({
      index: this.#index,
      isCurrent: () => this.#isCurrent(),
      readDevices: () => (this.#hasDevices ? new Set(this.#devices) : undefined),
      now: () => this.nowMs,
      monotonicMs: () => this.nowMs,
    });
  }

  #newCallers(): PodCallers {
    const index = this.#index;
    const monotonicMs = () => this.nowMs;
    const looks = new LiveLooks({
      index,
      listAt: async (address) => this.#list().filter((pod) => pod.addresses.includes(address)),
      listAll: async () => this.#list(),
      find: async ({ name }) => this.#list().find((pod) => pod.name === name),
      monotonicMs,
    });
    return new PodCallers({
      index,
      looks,
      isCurrent: () => this.#isCurrent(),
      sandboxes: this.#sandboxes,
      normalAddress,
      now: monotonicMs,
      monotonicMs,
    });
  }

  #list(): Pod[] {
    if (this.#contact === "away") throw new Error("the connection is refused");
    return this.#known();
  }

  /** The API server's own list. */
  #known(): Pod[] {
    return [...this.#beings.values()].map(({ pod }) => pod);
  }

  #hasTold(count: number): boolean {
    return count <= this.#count - (this.#events.length - this.#delivered);
  }

  #in(phase: Phase): Being[] {
    return [...this.#beings.values()].filter((being) => being.phase === phase);
  }

  #rarely(what: () => void): (() => void)[] {
    return this.#random() < 0.02 ? repeat(what, 20) : [];
  }

  #pick<T>(from: readonly T[]): [T | undefined] {
    return [from[Math.floor(this.#random() * from.length)]];
  }
}

/** The world writes addresses as they are compared. */
function normalAddress(text: string): string {
  return text;
}

function repeat<T>(one: T, times: number): T[] {
  return Array.from({ length: times }, () => one);
}
