/** @module The role sessions held in memory: one call in flight each, renewed early, served while valid. */
import { LRUCache } from "lru-cache";
import { CrossroleError } from "../errors.ts";
import { CallBudget } from "./call-budget.ts";
import { Entry } from "./entry.ts";
import { isRenewalDue, MIN_RETRY_MS, remainingMs, untilRenewalMs } from "./renewal.ts";
import { RestoredSessions } from "./restored.ts";
import type { RestoredSession } from "./restored.ts";
import { sessionKey } from "./session-key.ts";
import { validateBase, validateSession } from "./validate.ts";
import { bounded, closing, unwanted, within } from "./waiting.ts";
import { TemporaryCredentials } from "./types.ts";
import type {
  AssumeRole,
  AssumeRoleOfPod,
  CredentialEvent,
  CredentialSource,
  Instant,
  LoadBaseCredentials,
  RoleSession,
  SigningCredentials,
  SourceState,
} from "./types.ts";

/** The longest nap of a session's timer, so that a clock set or a sleep is noticed within 30 s. */
const MAX_NAP_MS = 30_000;

export interface CacheOptions {
  readonly assumeRole: AssumeRole;
  readonly assumeRoleOfPod: AssumeRoleOfPod;
  readonly loadBase: LoadBaseCredentials;
  readonly now: () => Instant;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly onEvent: (event: CredentialEvent) => void;
  /** STS calls per second in the long run, and at once. */
  readonly callsPerSecond: number;
  readonly burst: number;
  /** Most sessions and bases held; the least recently asked for goes first. Default 10,000. */
  readonly maxSessions?: number;
}

export class CredentialCache {
  readonly #options: CacheOptions;
  readonly #budget: CallBudget;
  readonly #entries: LRUCache<string, Entry>;
  readonly #restored = new RestoredSessions();
  #closed = false;

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#budget = new CallBudget({
      perSecond: options.callsPerSecond,
      burst: options.burst,
      monotonicMs: () => options.now().monotonicMs,
    });
    this.#entries = new LRUCache({
      max: options.maxSessions ?? 10_000,
      dispose: (entry) => entry.close(),
    });
  }

  /**
   * The credentials of `session`: at once, without a promise, when valid ones are held. Otherwise
   * waits for STS, but `holdMs` at most; the call goes on when the caller has gone.
   *
   * @throws {@link CrossroleError} of the last attempt, `ERR_CREDENTIALS_PENDING` after `holdMs`, or
   * `ERR_CLOSED` after {@link close}.
   */
  get(
    session: RoleSession,
    options: { readonly holdMs: number },
  ): TemporaryCredentials | Promise<TemporaryCredentials> {
    if (this.#closed) return Promise.reject(closing());
    const now = this.#options.now();
    const entry = this.#entryOf(session, now);
    const held = this.#valid(entry, now);
    if (held instanceof TemporaryCredentials) return held;
    return within(this.#obtained(entry, now), options.holdMs, session);
  }

  /** What is known of a session or a base, without asking for it; undefined when nothing is. */
  stateOf(source: CredentialSource): SourceState | undefined {
    return this.#entries.peek(sessionKey(source))?.state(this.#options.now());
  }

  /** How many sessions and bases are held. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Sessions of a daemon before this one: each is served as soon as it is asked for, and renewed as
   * if it had been obtained here. Takes the place of those that nobody has asked for so far.
   */
  restore(sessions: Iterable<RestoredSession>): void {
    this.#restored.replace(sessions);
  }

  /** Lets go of every session but `sessions` and what they are assumed from. */
  retain(sessions: Iterable<RoleSession>): void {
    const wanted = new Set<string>();
    for (const session of sessions) {
      for (let source: RoleSession["source"] = session; ; source = source.source) {
        wanted.add(sessionKey(source));
        if (source.kind !== "role") break;
      }
    }
    for (const [key, { source }] of this.#entries) {
      if (wanted.has(key)) continue;
      this.#entries.delete(key);
      this.#options.onEvent({ type: "dropped", source });
    }
  }

  /** Cancels every timer and call; what waits for a call is refused with `ERR_CLOSED`. */
  close(): void {
    this.#closed = true;
    this.#budget.close();
    this.#entries.clear();
    this.#restored.replace([]);
  }

  #entryOf(source: CredentialSource, now: Instant): Entry {
    const key = sessionKey(source);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = new Entry(source, now);
      this.#entries.set(key, entry);
      this.#takeRestored(entry, key, now);
    }
    entry.askedAt = now;
    return entry;
  }

  #takeRestored(entry: Entry, key: string, now: Instant): void {
    const credentials = this.#restored.give(entry, key, now, this.#options.random);
    if (credentials === undefined) return;
    this.#options.onEvent({ type: "restored", source: entry.source, credentials });
    this.#schedule(entry);
  }

  /** What is held and valid, and, when it is half spent, the renewal started behind it. */
  #valid(entry: Entry, now: Instant): SigningCredentials | undefined {
    const { held } = entry;
    if (held === undefined || remainingMs(held.lease, now) <= 0) return undefined;
    if (isRenewalDue(held.lease, now)) this.#renew(entry, now);
    return held.credentials;
  }

  /** What the call in flight or a new one brings; the last error during the pause that follows it. */
  #obtained(entry: Entry, now: Instant): Promise<SigningCredentials> {
    if (entry.flight === undefined && entry.isResting(now) && entry.failure !== undefined) {
      return Promise.reject(entry.failure.error);
    }
    return this.#start(entry);
  }

  #renew(entry: Entry, now: Instant): void {
    if (entry.flight !== undefined || entry.isResting(now)) return;
    this.#start(entry).catch(() => {
      // Reported by #attempt; the credentials held stay valid until their own expiration.
    });
  }

  /** One promise in flight, owned by the entry and by no request: a caller who hangs up cancels nothing. */
  #start(entry: Entry): Promise<SigningCredentials> {
    if (entry.flight !== undefined) return entry.flight;
    const flight = this.#attempt(entry).finally(() => {
      entry.flight = undefined;
      this.#schedule(entry);
    });
    entry.flight = flight;
    flight.catch(() => {
      // Whoever waits for it gets the error; that nobody does is no fault of the process.
    });
    return flight;
  }

  async #attempt(entry: Entry): Promise<SigningCredentials> {
    const { now, onEvent, random } = this.#options;
    let signer: SigningCredentials | undefined;
    let isSigned = false;
    try {
      signer = await this.#signerOf(entry.source);
      isSigned = true;
      await this.#budgetFor(entry);
      // It may have been evicted while it waited: nobody wants the call any more.
      if (entry.closed) throw unwanted();
      const started = now();
      const credentials = await this.#call(entry, signer);
      const renewal = entry.held !== undefined;
      const finished = now();
      entry.hold(credentials, finished, random());
      const elapsedMs = finished.monotonicMs - started.monotonicMs;
      if (!entry.closed)
        onEvent({ type: "obtained", source: entry.source, credentials, renewal, elapsedMs });
      return credentials;
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      if (!entry.closed && isSigned) this.#fail(entry, reason, signer);
      if (!entry.closed && !isSigned) this.#failWithSigner(entry, reason);
      throw error;
    }
  }

  /** The signer's failure is none of the session's own: it is tried again as soon as the signer is. */
  #failWithSigner(entry: Entry, error: Error): void {
    const at = this.#options.now();
    const signer = this.#signerEntryOf(entry);
    const retryInMs = Math.max(signer?.restMs(at) ?? 0, MIN_RETRY_MS);
    entry.rest(error, at, retryInMs);
    this.#report(entry, error, at, retryInMs);
  }

  #fail(entry: Entry, error: Error, signer: SigningCredentials | undefined): void {
    const { now, random } = this.#options;
    const at = now();
    const retryInMs = entry.fail(error, at, random());
    if (error instanceof CrossroleError && error.code === "ERR_BASE_EXPIRED")
      this.#spend(entry, signer);
    this.#report(entry, error, at, retryInMs);
  }

  #report({ source, held }: Entry, error: Error, at: Instant, retryInMs: number): void {
    const left = held === undefined ? 0 : Math.max(0, remainingMs(held.lease, at));
    this.#options.onEvent({ type: "failed", source, error, remainingMs: left, retryInMs });
  }

  /**
   * STS called the signer expired, whatever its own date says: the next attempt gets a new one. A
   * late verdict on credentials that have been replaced since says nothing of their successors.
   */
  #spend(entry: Entry, used: SigningCredentials | undefined): void {
    const signer = this.#signerEntryOf(entry);
    if (signer?.held?.credentials === used) signer?.spend();
  }

  #signerEntryOf({ source }: Entry): Entry | undefined {
    return source.kind === "role" ? this.#entries.peek(sessionKey(source.source)) : undefined;
  }

  /** The credentials that sign the call. A hop is a session like any other: cached, shared, renewed. */
  #signerOf(source: CredentialSource): Promise<SigningCredentials | undefined> {
    // Neither a base nor a pod, which shows a token, has anything that signs for it.
    if (source.kind === "base" || source.source.kind === "pod") return Promise.resolve(undefined);
    const now = this.#options.now();
    const entry = this.#entryOf(source.source, now);
    const held = entry.spent ? undefined : this.#valid(entry, now);
    return held === undefined ? this.#obtained(entry, now) : Promise.resolve(held);
  }

  async #budgetFor(entry: Entry): Promise<void> {
    const { source } = entry;
    const asksSts = source.kind === "role" || source.provider.kind === "webIdentity";
    if (!asksSts) return;
    const isHeld =
      entry.held !== undefined && remainingMs(entry.held.lease, this.#options.now()) > 0;
    // A role that is refused again and again, and that nobody asks for, goes before nobody.
    const isWanted = entry.isWantedSinceFailure;
    await this.#budget.take(!isHeld && isWanted ? "first" : "renewal");
  }

  async #call(entry: Entry, signer: SigningCredentials | undefined): Promise<SigningCredentials> {
    const { assumeRole, assumeRoleOfPod, loadBase, now } = this.#options;
    const { source } = entry;
    if (source.kind === "base") {
      const credentials = await bounded(entry, (signal) => loadBase(source, { signal }));
      return validateBase(credentials, source, now().wallMs);
    }
    const credentials = await bounded(entry, (signal) => {
      if (source.source.kind === "pod") return assumeRoleOfPod(source, source.source, { signal });
      if (signer === undefined) throw new TypeError("a role session has a signer");
      return assumeRole(source, signer, { signal });
    });
    return validateSession(credentials, source, now().wallMs);
  }

  /** Wakes for the renewal or the retry, and every 30 s to see whether a clock has moved. */
  #schedule(entry: Entry): void {
    if (entry.closed) return;
    const now = this.#options.now();
    const dueMs = Math.max(
      entry.held === undefined ? 0 : untilRenewalMs(entry.held.lease, now),
      entry.restMs(now),
    );
    entry.wakeIn(Math.min(dueMs, MAX_NAP_MS), () => this.#wake(entry));
  }

  #wake(entry: Entry): void {
    const now = this.#options.now();
    // A session nobody asked for during one whole lifetime is let go; the next caller starts it anew.
    // A laptop's sleep is no time in which anybody could have asked.
    if (now.monotonicMs - entry.askedAt.monotonicMs >= entry.lifetimeMs) {
      this.#entries.delete(sessionKey(entry.source));
      this.#options.onEvent({ type: "lapsed", source: entry.source });
      return;
    }
    if (entry.held === undefined || isRenewalDue(entry.held.lease, now)) this.#renew(entry, now);
    if (entry.flight === undefined) this.#schedule(entry);
  }
}
