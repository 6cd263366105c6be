/** @module Sessions of a daemon before this one, until somebody wants them. */
import type { Entry } from "./entry.ts";
import { remainingMs } from "./renewal.ts";
import { validateSession } from "./validate.ts";
import type { Instant, TemporaryCredentials } from "./types.ts";

/** Credentials that were obtained before this process began. */
export interface RestoredSession {
  /** The {@link sessionKey} of what they are of. */
  readonly key: string;
  readonly credentials: TemporaryCredentials;
  /** When they were obtained, on both clocks as they run in this process. */
  readonly obtained: Instant;
}

export class RestoredSessions {
  readonly #sessions = new Map<string, RestoredSession>();

  /** Takes the place of whatever nobody has wanted so far. */
  replace(sessions: Iterable<RestoredSession>): void {
    this.#sessions.clear();
    for (const session of sessions) this.#sessions.set(session.key, session);
  }

  /**
   * Gives `entry`, which is new, what an earlier process held under `key`. Its age is counted from
   * when it was obtained, by both clocks, so that a restart makes no session live longer.
   *
   * @returns what was given, or undefined when there is nothing that can be served.
   */
  give(
    entry: Entry,
    key: string,
    now: Instant,
    random: () => number,
  ): TemporaryCredentials | undefined {
    const { source } = entry;
    const saved = this.#sessions.get(key);
    if (saved === undefined || source.kind === "base") return undefined;
    this.#sessions.delete(key);
    try {
      validateSession(saved.credentials, source, now.wallMs);
    } catch {
      // Expired or broken: the session is obtained as if nothing had been there.
      return undefined;
    }
    entry.hold(saved.credentials, saved.obtained, random());
    if (entry.held !== undefined && remainingMs(entry.held.lease, now) > 0) {
      return saved.credentials;
    }
    entry.held = undefined;
    return undefined;
  }
}
