import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LiveLooks } from "../../src/callers/live-looks.ts";
import { PodCallers } from "../../src/callers/pods.ts";
import { PodIndex } from "../../src/callers/pod-index.ts";
import type { Peer } from "../../src/callers/types.ts";
import { normalAddress } from "../../src/kubernetes/address.ts";
import type { Pod } from "../../src/kubernetes/pod.ts";
import { podOf } from "./pod-support.ts";

/** What the API server would say. */
let truth: Pod[];
let index: PodIndex;
let listed: string[];
let isApiUp: boolean;
let isWatchCurrent: boolean;

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-11-24T12:00:00Z") });
  truth = [];
  index = new PodIndex();
  listed = [];
  isApiUp = true;
  isWatchCurrent = true;
});

afterEach(() => {
  vi.useRealTimers();
});

function answered<T>(value: T): Promise<T> {
  return isApiUp ? Promise.resolve(value) : Promise.reject(new Error("connection refused"));
}

function callers(attest?: (peer: Peer) => Promise<string | undefined>): PodCallers {
  const looks = new LiveLooks({
    index,
    listAt: (address) => {
      listed.push(address);
      return answered(truth.filter(({ addresses }) => addresses.includes(address)));
    },
    find: ({ name }) => answered(truth.find((pod) => pod.name === name)),
    isUnreachable: () => true,
    monotonicMs: Date.now,
  });
  return new PodCallers({
    isCurrent: () => isWatchCurrent,
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
    expect(listed).toEqual(["10.0.0.1"]);
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

  it("because nobody can reach the API server, what is known stands", async () => {
    know(podOf());
    isWatchCurrent = isApiUp = false;
    const all = callers();

    expect(await asked(all.identify(peer()))).toBe("uid-1");
    // From then on without asking; whether it is back is found out once a second.
    expect(all.identify(peer())).toMatchObject({ uid: "uid-1" });
    expect(listed).toHaveLength(1);
  });

  it("the API server's return is noticed by the first who asks a second later", async () => {
    know(podOf());
    isWatchCurrent = isApiUp = false;
    const all = callers();
    await asked(all.identify(peer()));
    isApiUp = true;
    truth = [podOf({ uid: "uid-2", name: "web-2" })];

    await vi.advanceTimersByTimeAsync(1_001);
    void all.identify(peer());
    await vi.advanceTimersByTimeAsync(0);

    expect(await asked(all.identify(peer()))).toBe("uid-2");
  });
});

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

  it("is worth nothing once its pod is gone", async () => {
    know(podOf());
    const all = callers();
    const one = peer();
    void all.identify(one);

    know();

    expect(await asked(all.identify(one))).toBe("ERR_CALLER_PENDING");
  });
});

describe("the kernel's word", () => {
  it("goes before any address", async () => {
    know(podOf(), podOf({ uid: "uid-2", name: "web-2", addresses: [] }));

    expect(await asked(callers(() => Promise.resolve("uid-2")).identify(peer()))).toBe("uid-2");
  });

  it("is waited for: a pod that the watch has not told of yet", async () => {
    know(podOf());
    const who = callers(() => Promise.resolve("uid-2")).identify(peer());
    await vi.advanceTimersByTimeAsync(100);

    index.apply({ type: "applied", pod: podOf({ uid: "uid-2", name: "web-2" }) });

    expect(await asked(who)).toBe("uid-2");
  });

  it("that cannot be had leaves it to the address", async () => {
    know(podOf());

    expect(await asked(callers(() => Promise.resolve(undefined)).identify(peer()))).toBe("uid-1");
    expect(await asked(callers(() => Promise.reject(new Error("EACCES"))).identify(peer()))).toBe(
      "uid-1",
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
