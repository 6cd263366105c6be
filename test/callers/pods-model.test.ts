import { afterEach, beforeEach, expect, inject, it, vi } from "vitest";
import { PodWorld } from "./pod-world.ts";

/** 10^6 in `npm run test:properties`. */
const EVENTS = inject("podEvents") ?? 60_000;

/** Each from a state of its own, so that a failure can be run again by its seed. */
const SEEDS = 20;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** @see https://en.wikipedia.org/wiki/Xorshift */
function randomOf(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

async function settle(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

it.each([
  ["with the node's devices to be seen", true],
  ["without", false],
])("never takes a pod for another, whatever comes late or is lost: %s", async (_, hasDevices) => {
  const asked = { served: 0, atOnce: 0, refused: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new PodWorld(randomOf(seed), { hasDevices });
    for (let step = 0; step < EVENTS / SEEDS / 2; step++) {
      world.step();
      const complaint = step % 3 === 0 ? await world.ask(settle) : undefined;
      expect(complaint, `seed ${seed}, step ${step}`).toBeUndefined();
      const unserved = step % 97 === 0 ? world.unserved() : undefined;
      expect(unserved, `seed ${seed}, step ${step}`).toBeUndefined();
    }
    asked.served += world.asked.served;
    asked.atOnce += world.asked.atOnce;
    asked.refused += world.asked.refused;
  }
  // Whoever refuses everybody makes no mistake either.
  expect(asked.served).toBeGreaterThan(asked.refused / 2);
  expect(asked.atOnce).toBeGreaterThan(EVENTS / 80);
});
