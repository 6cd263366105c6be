import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Prefetch } from "../src/prefetch.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Whatever is begun, in order; a name with an x hangs. */
function prefetching() {
  const begun: string[] = [];
  const prefetch = new Prefetch<string>((one) => {
    begun.push(one);
    return one.includes("x") ? new Promise(() => undefined) : Promise.reject(new Error(one));
  });
  return { begun, prefetch };
}

it("obtains four at a time, and what fails makes room", async () => {
  const { begun, prefetch } = prefetching();
  for (const one of ["a", "b", "c", "d", "e"]) prefetch.add(one);

  expect(begun).toEqual(["a", "b", "c", "d"]);
  await vi.advanceTimersByTimeAsync(0);
  expect(begun).toEqual(["a", "b", "c", "d", "e"]);
});

it("lets others go on after 2 s when four hang", async () => {
  const { begun, prefetch } = prefetching();
  for (const one of ["x1", "x2", "x3", "x4", "x5", "a"]) prefetch.add(one);

  await vi.advanceTimersByTimeAsync(1_999);
  expect(begun).toEqual(["x1", "x2", "x3", "x4"]);
  await vi.advanceTimersByTimeAsync(1);
  expect(begun).toEqual(["x1", "x2", "x3", "x4", "x5", "a"]);
});

it("begins nothing once it is closed", async () => {
  const { begun, prefetch } = prefetching();
  for (const one of ["x1", "x2", "x3", "x4", "a"]) prefetch.add(one);
  prefetch.close();

  await vi.advanceTimersByTimeAsync(2_000);
  prefetch.add("b");

  expect(begun).toEqual(["x1", "x2", "x3", "x4"]);
});
