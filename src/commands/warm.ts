/** @module The first assumption, before anybody depends on it. */
import { setTimeout as delay } from "node:timers/promises";
import type { Daemon } from "../daemon.ts";
import type { TemporaryCredentials } from "../credentials/types.ts";
import { CrossroleError } from "../errors.ts";

/** How long a passing fault of STS may keep a start waiting. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 250;

/**
 * The credentials of the role called `name`. A fault that passes is waited out for 10 s; a refusal is
 * reported at once: it will not pass.
 *
 * @throws {@link CrossroleError} of the last attempt.
 */
export async function warm(daemon: Daemon, name: string): Promise<TemporaryCredentials> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await daemon.credentials(name);
    } catch (error) {
      if (!mayPass(error) || performance.now() >= deadlineMs) throw error;
      // The daemon keeps its own pause between calls; asking it costs nothing.
      await delay(PAUSE_MS);
    }
  }
}

function mayPass(error: unknown): boolean {
  if (!(error instanceof CrossroleError)) return false;
  return error.code === "ERR_STS_UNAVAILABLE" || error.code === "ERR_STS_THROTTLED";
}
