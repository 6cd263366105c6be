import { beforeEach, describe, expect, it } from "vitest";
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

beforeEach(() => {
  nowMs = NOW;
  index = new PodIndex(() => nowMs);
  index.apply({ type: "replaced", pods: [podOf()] });
  truth = podOf();
  requested = reviewed = 0;
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
    reviewToken: (token) => {
      reviewed++;
      if (failure !== undefined) return Promise.reject(failure);
      const { uid, namespace, serviceAccount, name: pod } = podOf();
      return Promise.resolve(
        token.endsWith(".signed") ? { uid, namespace, serviceAccount, pod } : undefined,
      );
    },
    find: () => Promise.resolve(truth),
    now: () => nowMs,
  });
}

const made = async (all: PodTokens) =>
  await all.identityToken(identity, { signal: new AbortController().signal });

function shown(claims: object = {}, signature = "signed"): string {
  const all = {
    aud: ["sts.amazonaws.com"],
    exp: (NOW + HOUR_MS) / 1000,
    "kubernetes.io": { pod: { uid: "uid-1" } },
    ...claims,
  };
  return `h.${Buffer.from(JSON.stringify(all)).toString("base64url")}.${signature}`;
}

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
    ["is of no pod here", shown({ "kubernetes.io": { pod: { uid: "uid-9" } } })],
    ["is bound to no pod", shown({ "kubernetes.io": {} })],
    ["has another audience", shown({ aud: ["vault"] })],
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

    index.apply({ type: "deleted", uid: "uid-1" });

    await expect(all.podOf(shown())).rejects.toMatchObject({ code: "ERR_TOKEN_INVALID" });
  });
});
