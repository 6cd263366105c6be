import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LiveLooks } from "../../src/callers/live-looks.ts";
import { PodCallers } from "../../src/callers/pods.ts";
import { PodIndex } from "../../src/callers/pod-index.ts";
import { Sandboxes } from "../../src/callers/sandboxes.ts";
import type { AttestPod } from "../../src/callers/proc-attest.ts";
import type { Peer } from "../../src/callers/types.ts";
import { normalAddress } from "../../src/kubernetes/address.ts";
import type { Pod } from "../../src/kubernetes/pod.ts";
import { podOf } from "./pod-support.ts";

/** What the API server would say. */
let truth: Pod[];
let index: PodIndex;
let sandboxes: Sandboxes | undefined;
let listed: string[];
let isApiUp: boolean;
let isWatchCurrent: boolean;
/** The node's; undefined where they cannot be seen. */
let devices: Set<string> | undefined;

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-11-24T12:00:00Z") });
  truth = [];
  index = new PodIndex(Date.now);
  listed = [];
  isApiUp = true;
  isWatchCurrent = true;
  devices = undefined;
});

afterEach(() => {
  vi.useRealTimers();
});

function answered<T>(value: T): Promise<T> {
  return isApiUp ? Promise.resolve(value) : Promise.reject(new Error("connection refused"));
}

const isCurrent = () => isWatchCurrent;

function callers(attest?: AttestPod): PodCallers {
  const looks = new LiveLooks({
    index,
    listAt: (address) => {
      listed.push(address);
      return answered(truth.filter(({ addresses }) => addresses.includes(address)));
    },
    listAll: () => {
      listed.push("all");
      return answered(truth);
    },
    find: ({ name }) => answered(truth.find((pod) => pod.name === name)),
    monotonicMs: Date.now,
  });
  const clock = { now: Date.now, monotonicMs: Date.now };
  sandboxes = new Sandboxes({
    index,
    isCurrent,
    readDevices: () => devices && new Set(devices),
    ...clock,
  });
  return new PodCallers({
    sandboxes,
    isCurrent,
    index,
    looks,
    attest,
    normalAddress,
    now: Date.now,
    monotonicMs: Date.now,
  });
}

function peer(address = "10.0.0.1"): Peer {
  return {
    address,
    port: 40_000,
    localAddress: "169.254.171.254",
    localPort: 51_679,
    connection: {},
    answered: 0,
  };
}

/** Pods that both the watch and the API server tell of. */
function know(...pods: Pod[]): void {
  truth = pods;
  index.apply({ type: "replaced", pods });
}

/** What becomes of a question within the time that a caller waits. */
async function asked(who: Pod | Promise<Pod>): Promise<string> {
  if (!(who instanceof Promise)) return who.uid;
  const outcome = who.then(
    ({ uid }) => uid,
    (error: unknown) => (error as Error & { code: string }).code,
  );
  await vi.advanceTimersByTimeAsync(700);
  return await outcome;
}

describe("a caller", () => {
  it.each([
    ["10.0.0.1", "10.0.0.1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["fd00::1", "fd00::1"],
    ["fd00:0:0:0:0:0:0:1", "fd00::1"],
  ])("at %s is the pod that has %s, at once", (from, address) => {
    know(podOf({ addresses: ["10.9.9.9", address] }));

    expect(callers().identify(peer(from))).toMatchObject({ uid: "uid-1" });
    expect(listed).toEqual([]);
  });

  it("is looked up once at the API server when nobody is known to have its address", async () => {
    know();
    truth = [podOf()];

    expect(await asked(callers().identify(peer()))).toBe("uid-1");
    expect(listed).toEqual(["all"]);
  });

  it("whom nobody knows is told to ask again", async () => {
    know();

    expect(await asked(callers().identify(peer()))).toBe("ERR_CALLER_PENDING");
  });

  it("is waited for while its pod has no address yet, without a word to the API server", async () => {
    know(podOf({ addresses: [] }));
    const who = callers().identify(peer());
    await vi.advanceTimersByTimeAsync(300);

    index.apply({ type: "applied", pod: podOf() });

    expect(await asked(who)).toBe("uid-1");
    expect(listed).toEqual([]);
  });

  it("waits for the first list, and is told to ask again when it does not come", async () => {
    const before = callers().identify(peer());
    expect(await asked(before)).toBe("ERR_CALLER_PENDING");

    const during = callers().identify(peer());
    know(podOf());
    expect(await asked(during)).toBe("uid-1");
  });

  it("at an address of two that live is nobody, until one of them is gone", async () => {
    know(podOf(), podOf({ uid: "uid-2", name: "web-2" }));
    const all = callers();
    expect(await asked(all.identify(peer()))).toBe("ERR_CALLER_PENDING");

    truth = [podOf({ uid: "uid-2", name: "web-2" })];

    expect(await asked(all.identify(peer()))).toBe("uid-2");
  });

  it("is never the pod from before, whose end the watch has not told", async () => {
    know(podOf(), podOf({ uid: "uid-2", name: "web-2", addresses: [] }));
    truth = [podOf({ uid: "uid-2", name: "web-2", addresses: [] })];

    expect(await asked(callers().identify(peer()))).toBe("ERR_CALLER_PENDING");
  });

  it("is not guessed while the API server is away and its address may have changed hands", async () => {
    know(podOf(), podOf({ uid: "uid-2", name: "web-2", addresses: [] }));
    isApiUp = false;

    expect(await asked(callers().identify(peer()))).toBe("ERR_CALLER_PENDING");
  });

  it("is served while the API server is away and no pod is starting", () => {
    know(podOf());
    isApiUp = false;

    expect(callers().identify(peer())).toMatchObject({ uid: "uid-1" });
  });

  it.each([
    ["shares the node's address", { hostNetwork: true }],
    ["has finished", { finished: true }],
    ["has had its grace", { deletionMs: Date.parse("2026-11-24T11:59:00Z") }],
  ])("is refused for good when its pod %s", async (_, fields) => {
    know(podOf(fields));

    expect(await asked(callers().identify(peer()))).toBe("ERR_CALLER_UNKNOWN");
  });

  it("whose pod is being deleted is served until its grace is over", async () => {
    know(podOf({ deletionMs: Date.now() + 30_000 }));
    const all = callers();
    expect(all.identify(peer())).toMatchObject({ uid: "uid-1" });

    vi.setSystemTime(Date.now() + 41_000);

    expect(await asked(all.identify(peer()))).toBe("ERR_CALLER_UNKNOWN");
  });
});

describe("while the watch is behind", () => {
  it("a caller is looked up at the API server, and is never the pod from before", async () => {
    know(podOf());
    isWatchCurrent = false;
    truth = [podOf({ uid: "uid-2", name: "web-2" })];

    expect(await asked(callers().identify(peer()))).toBe("uid-2");
  });

  it("and the API server away, nobody is guessed where no device tells of new pods", async () => {
    know(podOf());
    isWatchCurrent = isApiUp = false;

    expect(await asked(callers().identify(peer()))).toBe("ERR_CALLER_PENDING");
  });
});

/** A callers' office that knows one pod, and its device. */
function settled(): PodCallers {
  devices = new Set(["1 lo", "2 eth0", "3 veth1"]);
  const all = callers();
  know(podOf());
  sandboxes?.told();
  return all;
}

describe("the node's devices", () => {
  it("that have not changed vouch for every address, whatever the watch and the API server do", () => {
    const all = settled();
    isWatchCurrent = isApiUp = false;

    expect(all.identify(peer())).toMatchObject({ uid: "uid-1" });
  });

  it("vouch for it while a pod is starting that has no sandbox yet", () => {
    const all = settled();
    index.apply({ type: "applied", pod: podOf({ uid: "uid-2", name: "web-2", addresses: [] }) });

    expect(all.identify(peer())).toMatchObject({ uid: "uid-1" });
  });

  it("tell of a pod that nobody has told of, and its address is looked up", async () => {
    const all = settled();
    devices?.add("4 veth2");
    truth = [podOf({ uid: "uid-2", name: "web-2" })];
    vi.advanceTimersByTime(101);

    expect(await asked(all.identify(peer()))).toBe("uid-2");
  });

  it("are explained by the addresses that are told, once nobody is starting", () => {
    const all = settled();
    devices?.add("4 veth2");
    vi.advanceTimersByTime(101);

    index.apply({
      type: "applied",
      pod: podOf({ uid: "uid-2", name: "b", addresses: ["10.0.0.2"] }),
    });

    sandboxes?.told();

    expect(all.identify(peer())).toMatchObject({ uid: "uid-1" });
    expect(listed).toEqual([]);
  });

  it("that no pod explains for two minutes are none of a pod's", async () => {
    const all = settled();
    devices?.add("4 docker0");
    vi.advanceTimersByTime(101);
    expect(all.identify(peer())).toBeInstanceOf(Promise);

    await vi.advanceTimersByTimeAsync(121_000);
    void all.identify(peer());

    expect(all.identify(peer())).toMatchObject({ uid: "uid-1" });
  });

  it("that have just come are a pod's, though another has been nobody's for two minutes", async () => {
    const all = settled();
    devices?.add("4 docker0");
    vi.advanceTimersByTime(101);
    expect(await asked(all.identify(peer()))).toBe("uid-1");
    vi.advanceTimersByTime(121_000);
    devices?.add("5 veth2");
    isApiUp = false;

    expect(await asked(all.identify(peer()))).toBe("ERR_CALLER_PENDING");
    expect(all.identify(peer())).toBeInstanceOf(Promise);
  });

  it("say nothing where the network makes fewer of them than there are pods", async () => {
    devices = new Set(["1 lo"]);
    const all = callers();
    know(podOf(), podOf({ uid: "uid-2", name: "b", addresses: ["10.0.0.2"] }));
    isWatchCurrent = isApiUp = false;

    expect(await asked(all.identify(peer()))).toBe("ERR_CALLER_PENDING");
  });
});

describe("a pod that ends by itself", () => {
  it("is not taken at its old address while another is starting, though the API server calls it running", async () => {
    const job = podOf({ endsByItself: true });
    know(job, podOf({ uid: "uid-2", name: "web-2", addresses: [] }));

    expect(await asked(callers().identify(peer()))).toBe("ERR_CALLER_PENDING");
  });

  it("is served at once while nobody can have its address", () => {
    know(podOf({ endsByItself: true }));

    expect(callers().identify(peer())).toMatchObject({ uid: "uid-1" });
  });
});

const CHANGED = expect.objectContaining({ code: "ERR_CALLER_CHANGED" });

/** The same connection, on which one more request has been answered. */
function used(one: Peer): Peer {
  return { ...one, answered: one.answered + 1 };
}

describe("a connection", () => {
  it("stays its pod's while others come and go", () => {
    know(podOf());
    const all = callers();
    const one = peer();
    void all.identify(one);

    index.apply({ type: "applied", pod: podOf({ uid: "uid-2", name: "web-2", addresses: [] }) });

    expect(all.identify(one)).toMatchObject({ uid: "uid-1" });
    expect(all.identify(peer())).toBeInstanceOf(Promise);
  });

  it("is worth nothing once its pod is gone, whoever has the address then", async () => {
    know(podOf());
    const all = callers();
    const one = peer();
    void all.identify(one);

    know(podOf({ uid: "uid-2", name: "web-2" }));

    expect(() => all.identify(used(one))).toThrow(CHANGED);
    expect(all.identify(peer())).toMatchObject({ uid: "uid-2" });
    expect(() => all.identify(used(one))).toThrow(CHANGED);
  });

  it("is found out anew within the request in which its pod turned out to be gone", () => {
    know(podOf());
    const all = callers();
    const one = peer();
    void all.identify(one);

    know(podOf({ uid: "uid-2", name: "web-2" }));

    expect(all.identify(one)).toMatchObject({ uid: "uid-2" });
    expect(all.identify(used(one))).toMatchObject({ uid: "uid-2" });
  });

  it("is worth nothing once another pod has come to its address, though its own still lives", () => {
    know(podOf());
    const all = callers();
    const one = peer();
    void all.identify(one);
    const ending = podOf({ deletionMs: Date.now() + 30_000 });
    index.apply({ type: "applied", pod: ending });
    expect(all.identify(used(one))).toMatchObject({ uid: "uid-1" });

    index.apply({ type: "applied", pod: podOf({ uid: "uid-2", name: "web-2" }) });

    expect(() => all.identify(used(one))).toThrow(CHANGED);
  });

  it("is worth nothing once its pod has got another address", () => {
    know(podOf());
    const all = callers();
    const one = peer();
    void all.identify(one);

    index.apply({ type: "applied", pod: podOf({ addresses: ["10.0.0.2"] }) });

    expect(() => all.identify(used(one))).toThrow(CHANGED);
  });

  it("stays that of the pod which the kernel names, whose addresses are told to nobody", async () => {
    know(podOf({ addresses: ["fd00::1"] }));
    const all = callers(says("uid-1"));
    const one = peer("169.254.172.5");
    expect(await asked(all.identify(one))).toBe("uid-1");

    index.apply({
      type: "applied",
      pod: podOf({ addresses: ["fd00::1"], annotations: { a: "b" } }),
    });

    expect(all.identify(used(one))).toMatchObject({ uid: "uid-1" });
  });
});

const says =
  (uid: string | undefined, ...seen: string[]): AttestPod =>
  () =>
    Promise.resolve({ uid, sees: (one) => seen.includes(one) });

describe("the kernel's word", () => {
  it("goes before any address", async () => {
    know(podOf(), podOf({ uid: "uid-2", name: "web-2", addresses: [] }));

    expect(await asked(callers(says("uid-2")).identify(peer()))).toBe("uid-2");
  });

  it("is waited for: a pod that the watch has not told of yet", async () => {
    know(podOf());
    const who = callers(says("uid-2")).identify(peer());
    await vi.advanceTimersByTimeAsync(100);

    index.apply({ type: "applied", pod: podOf({ uid: "uid-2", name: "web-2" }) });

    expect(await asked(who)).toBe("uid-2");
  });

  it("of a pod that the watch does not tell of is looked up once, and serves it", async () => {
    know(podOf());
    truth = [podOf(), podOf({ uid: "uid-2", name: "web-2", addresses: [] })];

    expect(await asked(callers(says("uid-2")).identify(peer()))).toBe("uid-2");
    expect(listed).toEqual(["all"]);
  });

  it("of a pod is looked up at once while the watch is behind", async () => {
    know(podOf());
    isWatchCurrent = false;
    truth = [podOf(), podOf({ uid: "uid-2", name: "web-2", addresses: [] })];
    const who = callers(says("uid-2")).identify(peer());
    await vi.advanceTimersByTimeAsync(0);

    expect(listed).toEqual(["all"]);
    expect(await asked(who)).toBe("uid-2");
  });

  it("of a pod that is nowhere known is looked up once for each who asks, and for all of them together", async () => {
    know(podOf());
    const all = callers(says("uid-9"));

    const answers = Array.from({ length: 20 }, () => asked(all.identify(peer())));

    expect(new Set(await Promise.all(answers))).toEqual(new Set(["ERR_CALLER_PENDING"]));
    expect(listed).toEqual(["all"]);
  });

  it("that cannot be had leaves it to the address of a pod whose processes are not to be seen", async () => {
    know(podOf());

    expect(await asked(callers(says(undefined)).identify(peer()))).toBe("uid-1");
    expect(await asked(callers(() => Promise.reject(new Error("EACCES"))).identify(peer()))).toBe(
      "uid-1",
    );
  });

  it("that none of a pod's processes has the connection refuses who has borrowed its address", async () => {
    know(podOf());

    expect(await asked(callers(says(undefined, "uid-1")).identify(peer()))).toBe(
      "ERR_CALLER_PENDING",
    );
  });
});

describe("an event that comes late", () => {
  it("brings no pod back that the API server no longer has", async () => {
    know(podOf(), podOf({ uid: "uid-2", name: "web-2" }));
    truth = [podOf({ uid: "uid-2", name: "web-2" })];
    const all = callers();
    await asked(all.identify(peer()));

    index.apply({ type: "applied", pod: podOf() });

    expect(index.get("uid-1")).toBeUndefined();
  });

  it("makes no pod live again that was ending", () => {
    know(podOf({ deletionMs: Date.now() + 1_000 }));

    index.apply({ type: "applied", pod: podOf() });

    expect(index.get("uid-1")?.deletionMs).toBeDefined();
  });
});
