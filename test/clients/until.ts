/** @module Waiting for a condition, never for a time. */
import { setTimeout as delay } from "node:timers/promises";

const PAUSE_MS = 25;

/**
 * What `condition` gives once it is neither false nor undefined.
 *
 * @throws Error that says `what` was waited for, after `deadlineMs`.
 */
export async function until<T>(
  what: string,
  condition: () => T | false | undefined | Promise<T | false | undefined>,
  deadlineMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(PAUSE_MS);
  }
}

/** `promise`, or an error that says `what` it was, after `deadlineMs`. */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  deadlineMs = 30_000,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`not within ${deadlineMs} ms: ${what}`)),
    deadlineMs,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
