import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LiveLooks } from "../../src/callers/live-looks.ts";
import { PodIndex } from "../../src/callers/pod-index.ts";
import type { Pod } from "../../src/kubernetes/pod.ts";
import { podOf } from "./pod-support.ts";

let index: PodIndex;
let looks: LiveLooks;
/** The addresses that the API server was asked for. */
let listed: string[];
let isHanging: boolean;
/** What the API server would say. */
let truth: Pod[];

beforeEach(() => {
  vi.useFakeTimers();
  index = new PodIndex(Date.now);
  truth = [podOf()];
  index.apply({ type: "replaced", pods: truth });
  listed = [];
  isHanging = false;
  looks = new LiveLooks({
    index,
    listAt: (address) => {
      listed.push(address);
      return isHanging ? new Promise(() => undefined) : Promise.resolve(index.at(address));
    },
    listAll: () => answerOfAll(),
    find: () => Promise.resolve(undefined),
    monotonicMs: Date.now,
  });
});

afterEach(() => {
  vi.useRealTimers();
});

function answerOfAll(): Promise<readonly Pod[]> {
  listed.push("all");
  if (isHanging) return new Promise(() => undefined);
  return Promise.resolve(truth);
}

/** Asks with `ask` a hundred times a second. */
async function keepAsking(seconds: number, ask: (time: number) => Promise<void>): Promise<void> {
  for (let time = 0; time < seconds * 100; time++) {
    void ask(time);
    await vi.advanceTimersByTimeAsync(10);
  }
}

it("a stranger who asks all the time is looked for a few times, and then once in half a minute", async () => {
  await keepAsking(10, () => looks.lookSince("10.9.9.9", looks.mark));

  expect(listed).toEqual(["all", "all", "all"]);
});

it("strangers at any number of addresses are looked for together, twice a second", async () => {
  await keepAsking(10, (time) => looks.lookSince(`127.0.${time % 250}.${time % 200}`, looks.mark));

  expect(listed.length).toBeLessThanOrEqual(22);
});

it("the node's own address is a stranger's, though pods are told of that have it", async () => {
  index.apply({
    type: "applied",
    pod: podOf({ uid: "uid-2", name: "agent", hostNetwork: true, addresses: ["10.9.9.9"] }),
  });

  await keepAsking(10, () => looks.lookSince("10.9.9.9", looks.mark));

  expect(listed).toEqual(["all", "all", "all"]);
});

it("no stranger keeps the address of a pod from being looked for, whether the API server answers or not", async () => {
  await keepAsking(2, (time) => looks.lookSince(`127.0.0.${time}`, looks.mark));
  isHanging = true;
  await keepAsking(2, (time) => looks.lookSince(`127.0.1.${time}`, looks.mark));
  isHanging = false;

  await looks.lookSince("10.0.0.1", looks.mark);

  expect(listed.at(-1)).toBe("10.0.0.1");
});

it("a pod that opens connections all the time is looked for five times a second, and each is told", async () => {
  let told = 0;
  await keepAsking(10, async () => {
    const { mark } = looks;
    await looks.lookSince("10.0.0.1", mark);
    if (looks.isSeenSince("10.0.0.1", mark)) told++;
  });
  await vi.advanceTimersByTimeAsync(1_000);

  expect(listed.length).toBeLessThanOrEqual(61);
  expect(told).toBe(1_000);
});

it("whoever is new is seen by a look of its own time, however many strangers ask", async () => {
  const strange = (time: number) => looks.lookSince(`127.0.0.${time}`, looks.mark);
  await keepAsking(2, strange);
  const { mark } = looks;
  void looks.lookSince("10.0.0.2", mark);
  await keepAsking(0.5, strange);

  expect(looks.isSeenSince("10.0.0.2", mark)).toBe(true);
});

it("a look at all pods takes into the index who has come, and who is gone", async () => {
  const come = podOf({ uid: "uid-2", name: "web-2", addresses: ["10.0.0.2"] });
  truth = [come];

  await looks.lookFor("uid-2", looks.mark);

  expect([...index.pods()]).toEqual([come]);
});
