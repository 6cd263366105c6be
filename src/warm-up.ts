/** @module A changed session is obtained before the one that it replaces is let go. */
import type { CredentialsFor, RoleSession } from "./credentials/types.ts";

/**
 * How long a reload waits for STS: 1.5 seconds. The file is read every 2 s, and a role that has left
 * it is to be refused within 5.
 */
const WARM_UP_MS = 1_500;

/**
 * Resolves when every session is held or was refused, or when the time is up. Until then callers are
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
