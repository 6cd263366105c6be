/** @module When sessions are obtained that nobody has asked for yet: at a start, and at a reload. */
import { setTimeout as delay } from "node:timers/promises";
import type { CredentialsFor, RoleSession } from "./credentials/types.ts";
import type { Target } from "./listener-face.ts";

/**
 * How long a start waits before it asks STS for what nobody has asked for yet: 100 ms. Loading the SDK
 * takes a tenth of a second in which nobody is answered, and whoever has started crossrole asks at once.
 */
const SETTLE_MS = 100;

/** Resolves when a start has settled, or at the signal. */
export async function settled(signal: AbortSignal): Promise<void> {
  await delay(SETTLE_MS, undefined, { signal, ref: false }).catch(() => {
    // It ends before it has begun.
  });
}

/**
 * How long a reload waits for STS: 1.5 seconds. The file is read every 2 s, and a role that has left
 * it is to be refused within 5.
 */
const WARM_UP_MS = 1_500;

/**
 * A changed session is obtained before the one that it replaces is let go. Resolves when every session is held or was refused, or when the time is up. Until then callers are
 * given the old session's credentials; then the new configuration holds, whatever STS said: it may
 * well be there to take a right away.
 */
export async function warmUp(
  sessions: Iterable<RoleSession>,
  credentialsFor: CredentialsFor,
): Promise<void> {
  const obtained = [...sessions].map(async (session) => {
    await credentialsFor(session, { holdMs: WARM_UP_MS });
  });
  // What failed is in the log, and is tried again.
  await Promise.allSettled(obtained);
}

/** Every session that is served at `targets`. */
export function sessionsOf(targets: Iterable<Pick<Target, "roles">>): RoleSession[] {
  return [...targets].flatMap(({ roles }) => [...roles.values()].map(({ session }) => session));
}
