import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PodIndex } from "../src/callers/pod-index.ts";
import type { PodIdentity } from "../src/credentials/types.ts";
import { CrossroleError } from "../src/errors.ts";
import type { Pod } from "../src/kubernetes/pod.ts";
import { PodTokens } from "../src/pod-tokens.ts";
import { podOf } from "./callers/pod-support.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const HOUR_MS = 3_600_000;

let nowMs: number;
let index: PodIndex;
let requested: number;
let reviewed: number;
let failure: CrossroleError | undefined;
let truth: Pod | undefined;
/** How the API server is asked for a pod by its name. */
let find: () => Promise<Pod | undefined>;
let looks: number;
/** What is said of a token, once that can be said. */
let saying: Promise<void>;

afterEach(() => {
  vi.useRealTimers();
});

beforeEach(() => {
  nowMs = NOW;
  index = new PodIndex(() => nowMs);
  index.apply({ type: "replaced", pods: [podOf()] });
  truth = podOf();
  requested = reviewed = looks = 0;
  find = () => Promise.resolve(truth);
  saying = Promise.resolve();
  failure = undefined;
});

const identity: PodIdentity = {
  kind: "pod",
  uid: "uid-1",
  namespace: "team-a",
  serviceAccount: "reader",
  name: "web-1",
};

function tokens(): PodTokens {
  return new PodTokens({
    index,
    audience: "sts.amazonaws.com",
    requestToken: () => {
      requested++;
      if (failure !== undefined) return Promise.reject(failure);
      return Promise.resolve({ token: `made-${requested}`, expiration: new Date(nowMs + HOUR_MS) });
    },
    reviewToken: async (token) => {
      reviewed++;
      await saying;
      if (failure !== undefined) return Promise.reject(failure);
      const { uid, namespace, serviceAccount, name: pod } = podOf();
      return Promise.resolve(
        token.endsWith(".signed") ? { uid, namespace, serviceAccount, pod } : undefined,
      );
    },
    find: () => {
      looks++;
      return find();
    },
    now: () => nowMs,
    monotonicMs: () => nowMs,
  });
}

const made = async (all: PodTokens) =>
  await all.identityToken(identity, { signal: new AbortController().signal });

function shown(claims: object = {}, signature = "signed"): string {
  const all = {
    aud: ["sts.amazonaws.com"],
    exp: (NOW + HOUR_MS) / 1000,
    "kubernetes.io": { namespace: "team-a", pod: { uid: "uid-1", name: "web-1" } },
    ...claims,
  };
  return `h.${Buffer.from(JSON.stringify(all)).toString("base64url")}.${signature}`;
}

/** The claims of another pod. */
function of(uid: string, name = "web-1"): object {
  return { "kubernetes.io": { namespace: "team-a", pod: { uid, name } } };
}

const codeOf = async (answer: Promise<Pod>) =>
  await answer.then(
    ({ uid }) => uid,
    (error: unknown) => (error instanceof CrossroleError ? error.code : error),
  );

describe("a pod's token", () => {
  it("is made anew for each call of STS", async () => {
    const all = tokens();

    expect([await made(all), await made(all)]).toEqual(["made-1", "made-2"]);
  });

  it("serves for what is left of it while the API server is away", async () => {
    const all = tokens();
    await made(all);
    failure = new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", "away");

    nowMs += HOUR_MS - 61_000;
    expect(await made(all)).toBe("made-1");

    nowMs += 2_000;
    await expect(made(all)).rejects.toMatchObject({ code: "ERR_KUBERNETES_UNAVAILABLE" });
  });

  it("that cannot be had because the pod is gone takes the pod out of memory", async () => {
    failure = new CrossroleError("ERR_POD_STALE", "gone");
    truth = undefined;

    await expect(made(tokens())).rejects.toMatchObject({ code: "ERR_POD_STALE" });
    expect(index.get("uid-1")).toBeUndefined();
  });

  it("that cannot be had for another reason leaves the pod where it is", async () => {
    failure = new CrossroleError("ERR_POD_STALE", 'serviceaccounts "reader" not found');

    await expect(made(tokens())).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
      message: 'serviceaccounts "reader" not found',
    });
    expect(index.get("uid-1")).toBeDefined();
  });
});

describe("a token that a pod shows", () => {
  it("is reviewed once, and is what STS is shown", async () => {
    const all = tokens();
    const token = shown();

    expect((await all.podOf(token)).uid).toBe("uid-1");
    expect((await all.podOf(token)).uid).toBe("uid-1");

    expect(reviewed).toBe(1);
    expect(await made(all)).toBe(token);
    expect(requested).toBe(0);
  });

  it.each([
    ["is none", "hello"],
    ["is of no pod here", shown(of("uid-9"))],
    ["names no pod's name", shown(of("uid-1", "web-1,spec.nodeName=n2"))],
    ["is bound to no pod", shown({ "kubernetes.io": {} })],
    ["has another audience", shown({ aud: ["vault"] })],
    ["never expires", shown({ exp: 1e300 })],
    ["has expired", shown({ exp: NOW / 1000 })],
    ["is huge", `${"a".repeat(20_000)}.b.c`],
  ])("that %s is refused without a word to the API server", async (_, token) => {
    await expect(tokens().podOf(token)).rejects.toMatchObject({ code: "ERR_TOKEN_INVALID" });
    expect(reviewed).toBe(0);
  });

  it("that is forged is refused, and not asked about again at once", async () => {
    const all = tokens();
    const token = shown({}, "forged");

    await expect(all.podOf(token)).rejects.toMatchObject({ code: "ERR_TOKEN_INVALID" });
    await expect(all.podOf(token)).rejects.toMatchObject({ code: "ERR_TOKEN_INVALID" });

    expect(reviewed).toBe(1);
    expect(await made(all)).toBe("made-1");
  });

  it("is asked about again after the API server was away", async () => {
    const all = tokens();
    failure = new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", "away");
    await expect(all.podOf(shown())).rejects.toMatchObject({ code: "ERR_KUBERNETES_UNAVAILABLE" });

    failure = undefined;

    expect((await all.podOf(shown())).uid).toBe("uid-1");
  });

  it("is worth nothing once its pod has ended", async () => {
    const all = tokens();
    await all.podOf(shown());

    truth = undefined;
    index.apply({ type: "deleted", uid: "uid-1" });

    await expect(all.podOf(shown())).rejects.toMatchObject({ code: "ERR_TOKEN_INVALID" });
  });
});

describe("a token of a pod that is not known", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    index = new PodIndex(() => nowMs);
  });

  it("serves once the API server, asked for the pod, says that it is here", async () => {
    index.apply({ type: "replaced", pods: [] });

    expect(await codeOf(tokens().podOf(shown()))).toBe("uid-1");
    expect([looks, reviewed]).toEqual([1, 1]);
  });

  it("serves once the watch has told of it, also before it has told of all", async () => {
    find = () => Promise.reject(new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", "away"));
    const asked = codeOf(tokens().podOf(shown()));

    await vi.advanceTimersByTimeAsync(600);
    index.apply({ type: "applied", pod: podOf() });

    expect(await asked).toBe("uid-1");
  });

  it("is not refused but put off for as long as nobody says that there is none", async () => {
    find = () => new Promise(() => undefined);
    const asked = codeOf(tokens().podOf(shown()));

    await vi.advanceTimersByTimeAsync(700);

    expect(await asked).toBe("ERR_CALLER_PENDING");
    expect(reviewed).toBe(0);
  });

  it("is refused once the API server says that there is none, and not asked about again", async () => {
    truth = podOf({ uid: "uid-2" });
    const all = tokens();

    expect(await codeOf(all.podOf(shown()))).toBe("ERR_TOKEN_INVALID");
    expect(await codeOf(all.podOf(shown()))).toBe("ERR_TOKEN_INVALID");

    expect([looks, reviewed]).toEqual([1, 0]);
  });

  it("does not bring back a pod whose end was told of while it was looked for", async () => {
    const { promise, resolve } = Promise.withResolvers<Pod>();
    find = () => promise;
    const asked = codeOf(tokens().podOf(shown()));

    index.apply({ type: "deleted", uid: "uid-1" });
    resolve(podOf());
    await vi.advanceTimersByTimeAsync(700);

    expect(await asked).toBe("ERR_CALLER_PENDING");
    expect(index.get("uid-1")).toBeUndefined();
  });

  it("costs the API server ten looks a second, whatever is made up", async () => {
    index.apply({ type: "replaced", pods: [] });
    const all = tokens();

    for (let count = 0; count < 200; count++) void codeOf(all.podOf(shown(of(`uid-9${count}`))));
    await vi.advanceTimersByTimeAsync(700);
    expect(looks).toBe(4);

    for (let count = 0; count < 20; count++) {
      void codeOf(all.podOf(shown(of(`uid-8${count}`))));
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(looks).toBe(10);
  });
});

describe("a flood of forged tokens", () => {
  it("takes the place of none that is good", async () => {
    const all = tokens();
    await all.podOf(shown());
    for (let count = 0; count < 1_100; count++) {
      await codeOf(all.podOf(shown({}, `forged-${count}`)));
    }
    const before = reviewed;

    expect(await codeOf(all.podOf(shown()))).toBe("uid-1");
    expect(reviewed).toBe(before);
  });

  it("is reviewed two at a time for a pod, and eight in all", async () => {
    const pods = Array.from({ length: 5 }, (_, at) =>
      podOf({ uid: `uid-${at}`, name: `web-${at}` }),
    );
    index.apply({ type: "replaced", pods });
    const { promise, resolve } = Promise.withResolvers<void>();
    saying = promise;
    const all = tokens();
    const asked = pods.flatMap(({ uid }) =>
      [1, 2, 3].map((count) => codeOf(all.podOf(shown(of(uid), `forged-${count}`)))),
    );

    await vi.waitFor(() => expect(reviewed).toBe(8));
    resolve();

    const codes = await Promise.all(asked);
    expect(codes.filter((code) => code === "ERR_TOKEN_INVALID")).toHaveLength(8);
    expect(codes.filter((code) => code === "ERR_CALLER_PENDING")).toHaveLength(7);
    expect(await codeOf(all.podOf(shown()))).toBe("uid-1");
  });
});
