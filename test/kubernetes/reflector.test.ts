import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { KubernetesClient } from "../../src/kubernetes/client.ts";
import { listPages } from "../../src/kubernetes/list-pods.ts";
import { pauseMs, TIMINGS, watchSeconds } from "../../src/kubernetes/reflector-timings.ts";
import type { ReflectorTimings } from "../../src/kubernetes/reflector-timings.ts";
import type { Reflector } from "../../src/kubernetes/reflector.ts";
import type { FakeApiServer } from "../support/fake-api-server.ts";
import { clientOf, follow } from "./contract.ts";
import type { Picture } from "./contract.ts";
import { startFakeBackend } from "./fake-backend.ts";
import type { FakeBackend } from "./fake-backend.ts";

/** Short enough to be waited for; what a test is about it makes shorter or longer. */
const QUICK = { backoffMs: 5, maxBackoffMs: 50, syncGapMs: 0, shortMs: 0, idleMs: 30_000 };

const WAIT = { timeout: 10_000, interval: 5 };

let backend: FakeBackend;
let api: FakeApiServer;
let client: KubernetesClient;
let reflector: Reflector;
let picture: Picture;

beforeEach(async () => {
  backend = await startFakeBackend();
  ({ api } = backend);
  client = clientOf(backend);
});

afterEach(async () => {
  reflector?.close();
  client.close();
  await api[Symbol.asyncDispose]();
});

function start(timings: Partial<ReflectorTimings> = {}): void {
  ({ reflector, picture } = follow(backend, client, { ...QUICK, ...timings }));
}

async function started(timings: Partial<ReflectorTimings> = {}): Promise<void> {
  start(timings);
  await vi.waitFor(() => expect(reflector.synced && api.watchCount === 1).toBe(true), WAIT);
}

function addPod(name: string, node = "n1"): void {
  api.world.addPod({ namespace: "team-a", name, serviceAccount: "app", node });
}

function replacements(): number {
  return picture.changes.filter(({ type }) => type === "replaced").length;
}

/** Queries of requests for pods, those that stream first events, and those that list. */
function queries(kind: "all" | "initial" | "watch" | "list" = "all") {
  return api.calls
    .map(({ query }) => query)
    .filter((query) => {
      const of = query["watch"] === undefined ? "list" : "watch";
      const isInitial = query["sendInitialEvents"] === "true";
      return kind === "all" || (kind === "initial" ? isInitial : kind === of && !isInitial);
    });
}

function timeouts(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

/** The timers that are left once everything has had its turn. */
async function timeoutsLeft(before: number): Promise<number> {
  for (let turns = 0; turns < 200 && timeouts() > before; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return timeouts();
}

/** What happens to `a` while nobody watches. */
function change(): void {
  api.world.deletePod("team-a", "a");
  addPod("b");
}

/** A line of a watch that adds a pod to a node. */
function added(uid: string, nodeName = "n1"): string {
  const metadata = { uid, name: uid, namespace: "team-a", resourceVersion: "300" };
  return `${JSON.stringify({ type: "ADDED", object: { metadata, spec: { nodeName } } })}\n`;
}

async function sees(...names: readonly string[]): Promise<void> {
  const expected = ["crossrole-n1", ...names].toSorted();
  await vi.waitFor(
    () => expect([...picture.pods.values()].map(({ name }) => name).toSorted()).toEqual(expected),
    WAIT,
  );
}

describe("the first reading", () => {
  it("is one watch that begins with all there is, and goes on", async () => {
    addPod("a");
    addPod("b", "n2");
    await started();
    await sees("a");
    addPod("c");
    await sees("a", "c");
    expect(picture.changes.map(({ type }) => type)).toEqual(["replaced", "applied"]);
    expect(queries()).toEqual([
      {
        watch: "1",
        fieldSelector: "spec.nodeName=n1",
        allowWatchBookmarks: "true",
        sendInitialEvents: "true",
        resourceVersionMatch: "NotOlderThan",
        timeoutSeconds: expect.stringMatching(/^(2[4-9]\d|300)$/),
      },
    ]);
    expect(api.calls[0]?.impersonate).toBe("system:node:n1");
  });

  it("tells of nothing before it is whole", async () => {
    addPod("a");
    api.watchList = "ignored";
    start({ initialMs: 30_000 });
    await vi.waitFor(() => expect(api.watchCount).toBe(1), WAIT);
    addPod("b");
    await vi.waitFor(() => expect(reflector.lastContactMs).toBeDefined(), WAIT);
    expect(picture.changes).toEqual([]);
    expect(reflector.synced).toBe(false);
  });

  it.each(["unsupported", "disabled"] as const)(
    "is a list and a watch where streamed lists are %s, from then on",
    async (watchList) => {
      api.watchList = watchList;
      addPod("a");
      await started();
      await sees("a");
      addPod("b");
      await sees("a", "b");
      api.watchList = "on";
      reflector.resync();
      await vi.waitFor(() => expect(replacements()).toBe(2), WAIT);
      expect(queries("initial")).toHaveLength(1);
      expect(queries("list")).toHaveLength(2);
      expect(queries("watch")[0]?.["resourceVersion"]).toMatch(/^\d+$/);
      expect(picture.problems).toEqual([]);
    },
  );

  it("is a list where an API server has never heard of streamed lists and waits for ever", async () => {
    api.watchList = "ignored";
    addPod("a");
    await started({ initialMs: 50 });
    await sees("a");
    expect(queries("list")).toHaveLength(1);
  });

  it("is a list after a stream that broke off", async () => {
    api.watchList = "ignored";
    addPod("a");
    start({ initialMs: 30_000 });
    await vi.waitFor(() => expect(api.watchCount).toBe(1), WAIT);
    await vi.waitFor(() => expect(reflector.lastContactMs).toBeDefined(), WAIT);
    api.cutWatches();
    await sees("a");
    expect(queries("list")).toHaveLength(1);
  });

  it("is a stream yet when the API server was not there, or in trouble, or refused it", async () => {
    await api.stop();
    start();
    await vi.waitFor(() => expect(picture.problems).toHaveLength(1), WAIT);
    api.fault({ kind: "status", status: 503, times: 1 });
    api.fault({ kind: "status", status: 403, times: 1 });
    reflector.close();
    await api.start();
    await started();
    expect(queries("list")).toEqual([]);
    expect(queries("initial")).toHaveLength(3);
  });

  it("is a list when streams fail over and over for no known reason", async () => {
    api.fault({ kind: "status", status: 503, path: "sendInitialEvents" });
    await started();
    expect(queries("list")).toHaveLength(1);
    expect(replacements()).toBe(1);
  });

  it("begins again when the continuation of a list has expired", async () => {
    for (const name of ["a", "b", "c"]) addPod(name);
    api.fault({ kind: "status", status: 410, path: "continue=", times: 2 });
    const { pods } = await listPages(client, {
      node: "n1",
      impersonate: "system:node:n1",
      pageSize: 2,
    });
    expect(pods).toHaveLength(4);
    start();
  });

  it("is one picture: what happens between two pages is told afterwards", async () => {
    for (const name of ["a", "b", "c"]) addPod(name);
    api.fault({ kind: "delay", ms: 100, path: "continue=", times: 1 });
    const listing = listPages(client, { node: "n1", impersonate: "system:node:n1", pageSize: 2 });
    await vi.waitFor(() => expect(queries("list")).toHaveLength(2), WAIT);
    api.world.deletePod("team-a", "c");
    addPod("d");
    const { pods, resourceVersion } = await listing;
    expect(pods.map(({ name }) => name)).toEqual(["crossrole-n1", "a", "b", "c"]);
    expect(Number(resourceVersion)).toBeLessThan(api.world.version);
    start();
  });

  it("goes page by page where pods are made to be long", async () => {
    api.watchList = "unsupported";
    const padding = "<".repeat(1_500_000);
    for (let i = 0; i < 12; i++) {
      api.world.addPod({ namespace: "team-a", name: `long-${i}`, node: "n1", padding });
    }
    start();
    await vi.waitFor(() => expect(picture.pods.size).toBe(13), { ...WAIT, timeout: 60_000 });
    expect(queries("list").at(-1)?.["limit"]).toBe("10");
  });
});

describe("a list", () => {
  it.each(["{}", "[]", "null", '{"kind":"Status"}'])("is none that is %s", async (body) => {
    api.watchList = "disabled";
    await started();
    api.fault({ kind: "body", status: 200, body, path: "limit=", times: 3 });
    addPod("a");
    reflector.resync();
    await sees("a");
    expect(replacements()).toBe(2);
  });
});

describe("a watch that ends", () => {
  it("goes on from the last version, with no pause and no problem, when its time is over", async () => {
    await started({ backoffMs: 60_000, maxBackoffMs: 60_000 });
    addPod("a");
    await sees("a");
    const version = String(api.world.version);
    api.endWatches();
    await vi.waitFor(() => expect(queries("watch")).toHaveLength(1), WAIT);
    expect(queries("watch")[0]?.["resourceVersion"]).toBe(version);
    expect(picture.problems).toEqual([]);
    addPod("b");
    await sees("a", "b");
    expect(replacements()).toBe(1);
  });

  it("goes on after a pause when it was short", async () => {
    await started({ shortMs: 60_000, backoffMs: 60_000, maxBackoffMs: 60_000 });
    api.endWatches();
    await vi.waitFor(() => expect(api.watchCount).toBe(0), WAIT);
    expect(queries("watch")).toEqual([]);
    expect(picture.problems).toEqual([]);
  });

  it("goes on after a short pause again once anything has happened in between", async () => {
    await started({ shortMs: 60_000, backoffMs: 1, maxBackoffMs: 600_000 });
    for (let round = 0; round < 16; round++) {
      addPod(`p-${round}`);
      await vi.waitFor(() => expect(picture.named(`p-${round}`)).toBeDefined(), WAIT);
      api.endWatches();
      await vi.waitFor(() => expect(api.watchCount).toBe(1), WAIT);
    }
    expect(replacements()).toBe(1);
  });

  it("goes on from the version of a bookmark", async () => {
    await started();
    addPod("elsewhere", "n2");
    api.bookmark();
    const version = String(api.world.version);
    const before = reflector.lastContactMs;
    await vi.waitFor(() => expect(reflector.lastContactMs).not.toBe(before), WAIT);
    api.cutWatches();
    await vi.waitFor(() => expect(queries("watch")).toHaveLength(1), WAIT);
    expect(queries("watch")[0]?.["resourceVersion"]).toBe(version);
  });

  it("misses nothing when it breaks in the middle of a line", async () => {
    await started();
    addPod("a");
    await sees("a");
    api.cutWatches('{"type":"DELETED","object":{"metadata":{"uid":"');
    api.world.deletePod("team-a", "a");
    addPod("b");
    await sees("b");
    expect(replacements()).toBe(1);
  });

  it("goes on when the API server has been killed and comes back", async () => {
    addPod("a");
    await started();
    await api.stop();
    api.world.deletePod("team-a", "a");
    addPod("b");
    await vi.waitFor(() => expect(picture.problems.length).toBeGreaterThan(0), WAIT);
    await sees("a");
    expect(reflector.synced).toBe(true);
    await api.start();
    await sees("b");
  });
});

describe("a version that is no longer good", () => {
  beforeEach(async () => {
    addPod("a");
    await started();
  });

  it("leads to a new reading after 410 within a watch, and what has gone meanwhile is gone", async () => {
    await api.stop();
    change();
    api.world.compact();
    await api.start();
    await sees("b");
    expect(queries("watch")).toHaveLength(1);
    expect([queries("initial").length, replacements()]).toEqual([2, 2]);
    expect(picture.problems.join()).not.toContain("too old");
  });

  it.each([410, 500, 504])("leads to a new reading after an ERROR %i in a watch", async (code) => {
    api.failWatches(code, "too old resource version: 5 (238)");
    change();
    await sees("b");
    expect([queries("initial").length, replacements()]).toEqual([2, 2]);
  });

  it.each([410, 500, 400])("leads to a new reading after the status %i", async (status) => {
    api.fault({ kind: "status", status, path: "resourceVersion=", times: 1 });
    api.endWatches();
    change();
    await sees("b");
    expect([queries("initial").length, replacements()]).toEqual([2, 2]);
  });

  it.each([401, 403, 429, 502, 503, 504])("is not meant by the status %i", async (status) => {
    api.fault({ kind: "status", status, path: "resourceVersion=", times: 1 });
    api.endWatches();
    change();
    await sees("b");
    expect([queries("initial").length, replacements()]).toEqual([1, 1]);
  });
});

describe("silence", () => {
  it("ends a watch, and the next one goes on from the last version", async () => {
    await started({ idleMs: 300 });
    addPod("a");
    await sees("a");
    const version = String(api.world.version);
    api.freezeWatches();
    addPod("b");
    await sees("a", "b");
    expect(queries("watch")[0]?.["resourceVersion"]).toBe(version);
    expect(replacements()).toBe(1);
    expect(picture.problems).toEqual([
      "the API server sent nothing on a watch of /api/v1/pods for 0.3 s",
    ]);
  });

  it("from the beginning leads to a new reading: etcd may have been restored from a backup", async () => {
    addPod("a");
    await started({ idleMs: 300 });
    api.world.restore(50);
    api.endWatches();
    api.world.deletePod("team-a", "a");
    addPod("b");
    await sees("b");
    expect(Number(queries("watch")[0]?.["resourceVersion"])).toBeGreaterThan(api.world.version);
    expect(replacements()).toBe(2);
  });

  it("is not what bookmarks are", async () => {
    await started({ idleMs: 300 });
    const bookmarks = setInterval(() => api.bookmark(), 30);
    const { promise, resolve } = Promise.withResolvers<void>();
    const ends = setInterval(() => {
      if (Date.now() - startedMs > 900) resolve();
    }, 10);
    const startedMs = Date.now();
    await promise;
    clearInterval(bookmarks);
    clearInterval(ends);
    expect(api.calls).toHaveLength(1);
  });
});

describe("a new reading", () => {
  it("comes by itself after half an hour", async () => {
    await started({ resyncMs: 100 });
    await vi.waitFor(() => expect(replacements()).toBeGreaterThanOrEqual(3), WAIT);
    expect(queries("watch")).toEqual([]);
    expect(picture.problems).toEqual([]);
  });

  it("does not follow another within a second", async () => {
    await started({ syncGapMs: 300 });
    const syncedMs = reflector.lastContactMs ?? Infinity;
    reflector.resync();
    await vi.waitFor(() => expect(queries("initial")).toHaveLength(2), WAIT);
    expect(Date.now() - syncedMs).toBeGreaterThan(250);
  });

  it("is one, however often it is asked for", async () => {
    await started({ syncGapMs: 100 });
    for (let i = 0; i < 100; i++) reflector.resync();
    await vi.waitFor(() => expect(replacements()).toBe(2), WAIT);
    for (let i = 0; i < 100; i++) reflector.resync();
    addPod("a");
    await sees("a");
    expect(queries("initial")).toHaveLength(3);
  });
});

describe("a problem", () => {
  it("is told once, with the rule that is missing, and tried again until it is solved", async () => {
    api.grants.impersonation = "ungranted";
    start();
    await vi.waitFor(() => expect(api.calls.length).toBeGreaterThan(5), WAIT);
    expect(new Set(picture.problems).size).toBe(picture.problems.length);
    expect(picture.problems[0]).toContain(
      'the RBAC rule that is missing for system:serviceaccount:crossrole-system:crossrole: {apiGroups: [""], resources: [pods], verbs: ["impersonate-on:associated-node:watch"]}',
    );
    api.grants.impersonation = true;
    await sees();
  });

  it("of whoever is told of changes is one too, and everything is told anew", async () => {
    await started();
    const { pods } = picture;
    vi.spyOn(pods, "set").mockImplementationOnce(() => {
      throw new Error("this is a fault of the reader");
    });
    addPod("a");
    await sees("a");
    expect(picture.problems).toEqual(["the watch on pods broke: this is a fault of the reader"]);
    expect(replacements()).toBe(2);
  });

  it("of a pod that cannot be read is none: it is not known any more", async () => {
    await started();
    addPod("a");
    await sees("a");
    const uid = picture.named("a")?.uid;
    const object = { metadata: { uid, name: "a", namespace: "team-a", deletionTimestamp: "?" } };
    api.writeWatches(`${JSON.stringify({ type: "MODIFIED", object })}\n`);
    await sees();
    expect(picture.changes.at(-1)).toEqual({ type: "deleted", uid });
  });

  it("of another node's pods that a server sends all the same is none: they are not taken", async () => {
    await started();
    api.writeWatches(added("stranger", "n2"));
    addPod("a");
    await sees("a");
    expect(picture.named("stranger")).toBeUndefined();
  });

  it.each(["7", '"text"', "[]", "{}", '{"type":"ADDED"}', '{"type":"NEWS","object":{}}', "null"])(
    "is none of the line %s",
    async (line) => {
      await started();
      api.writeWatches(`${line}\n`);
      addPod("a");
      await sees("a");
      expect(picture.problems).toEqual([]);
    },
  );
});

describe("close", () => {
  it.each(["streams", "lists", "waits", "fails"])(
    "ends everything while it %s, and nothing is told of any more",
    async (what) => {
      const before = timeouts();
      if (what === "lists") api.watchList = "unsupported";
      if (what === "fails") await api.stop();
      if (what === "waits") api.fault({ kind: "blackHole" });
      start({ backoffMs: 60_000, maxBackoffMs: 60_000 });
      await vi.waitFor(
        () => expect(api.calls.length + picture.problems.length).toBeGreaterThan(0),
        WAIT,
      );
      reflector.close();
      const told = picture.changes.length;
      const problems = picture.problems.length;
      addPod("late");
      await vi.waitFor(() => expect(api.watchCount).toBe(0), WAIT);
      client.close();
      expect(await timeoutsLeft(before)).toBeLessThanOrEqual(before);
      expect(picture.changes.length).toBe(told);
      expect(picture.problems.length).toBe(problems);
      reflector.resync();
      reflector.close();
    },
  );

  it("by whoever is told of the first reading leaves no timer behind", async () => {
    const before = timeouts();
    start();
    vi.spyOn(picture.pods, "clear").mockImplementationOnce(() => reflector.close());
    await vi.waitFor(() => expect(picture.changes).toHaveLength(1), WAIT);
    client.close();
    expect(await timeoutsLeft(before)).toBeLessThanOrEqual(before);
  });

  it("lets no line through that had arrived before", async () => {
    await started();
    const { promise, resolve } = Promise.withResolvers<void>();
    const { pods } = picture;
    vi.spyOn(pods, "set").mockImplementationOnce(() => {
      reflector.close();
      resolve();
      return pods;
    });
    api.writeWatches(["a", "b", "c"].map((uid) => added(uid)).join(""));
    await promise;
    await vi.waitFor(() => expect(api.watchCount).toBe(0), WAIT);
    expect(picture.changes).toHaveLength(2);
  });
});

describe("the times", () => {
  it("of pauses double from 200 ms to 30 s, of which half is at random", () => {
    expect([1, 2, 3, 8, 9, 1_000].map((n) => pauseMs(n, 0, TIMINGS))).toEqual([
      100, 200, 400, 12_800, 15_000, 15_000,
    ]);
    expect([1, 2, 9].map((n) => pauseMs(n, 0.5, TIMINGS))).toEqual([150, 300, 22_500]);
  });

  it("of watches are between 240 and 300 s", () => {
    expect([0, 0.5, 0.999_999].map((n) => watchSeconds(n, TIMINGS))).toEqual([240, 270, 300]);
  });
});

/** A number generator that gives the same numbers for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe("whatever happens", () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))(
    "the picture is that of the cluster in the end (seed %i)",
    async (seed) => {
      const random = generator(seed);
      const pick = (count: number) => Math.floor(random() * count);
      if (seed % 3 === 1) api.watchList = "unsupported";
      await started({ idleMs: 250, initialMs: 200, resyncMs: 400 });
      const happenings: readonly (() => void | Promise<void>)[] = [
        () => addPod(`p-${pick(6)}`),
        () => addPod(`p-${pick(6)}`, "n2"),
        () => api.world.deletePod("team-a", `p-${pick(6)}`),
        () => api.world.deletePod("team-a", `p-${pick(6)}`, 30),
        () => api.world.giveAddresses("team-a", `p-${pick(6)}`, [`10.0.0.${pick(4)}`]),
        () => api.world.finishPod("team-a", `p-${pick(6)}`),
        () => api.endWatches(),
        () => api.cutWatches('{"type":"ADDED"'),
        () => api.failWatches(410, "too old"),
        () => api.freezeWatches(),
        () => api.world.compact(),
        () => api.bookmark(),
        () => reflector.resync(),
        () => api.fault({ kind: "reset", times: 1 }),
        () => api.fault({ kind: "status", status: 500, times: 1 }),
        () => api.fault({ kind: "cut", times: 1 }),
        () => new Promise((resolve) => setImmediate(resolve)),
      ];
      for (let i = 0; i < 150; i++) {
        try {
          await happenings[pick(happenings.length)]?.();
        } catch {
          // There is no such pod, or there is one already.
        }
        if (pick(3) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      api.heal();

      const expected = api.world
        .sorted()
        .filter(({ spec }) => spec.nodeName === "n1")
        .map(({ metadata, status }) => [
          metadata.uid,
          status.podIPs?.map(({ ip }) => ip) ?? [],
          status.phase === "Succeeded",
          metadata.deletionTimestamp !== undefined,
        ]);
      await vi.waitFor(() => {
        const pods = [...picture.pods.values()].toSorted((a, b) =>
          `${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1,
        );
        const seen = pods.map((pod) => [
          pod.uid,
          pod.addresses,
          pod.finished,
          pod.deletionMs !== undefined,
        ]);
        expect(seen).toEqual(expected);
      }, WAIT);
    },
  );
});
