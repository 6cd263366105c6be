/** @module A clock that tests move, an STS and a base that tests command, and a cache between them. */
import { afterEach, beforeEach, vi } from "vitest";
import { CredentialCache } from "../../src/credentials/cache.ts";
import type { CacheOptions } from "../../src/credentials/cache.ts";
import { SigningCredentials, TemporaryCredentials } from "../../src/credentials/types.ts";
import type {
  AssumeRole,
  BaseCredentials,
  CredentialEvent,
  Instant,
  LoadBaseCredentials,
  RoleSession,
} from "../../src/credentials/types.ts";
import { CrossroleError } from "../../src/errors.ts";
import type { CrossroleErrorCode } from "../../src/errors.ts";

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

const START = new Date("2026-11-02T12:00:00Z");

/** Both clocks stand still at {@link START} until a test moves them; `setImmediate` stays real. */
export function stopClocks(): void {
  vi.useFakeTimers({
    now: START,
    toFake: ["Date", "performance", "setTimeout", "clearTimeout"],
  });
}

/** {@link stopClocks} around each test of the file. */
export function useStoppedClocks(): void {
  beforeEach(stopClocks);
  afterEach(() => {
    vi.useRealTimers();
  });
}

export function now(): Instant {
  return { wallMs: Date.now(), monotonicMs: performance.now() };
}

/** Time passes on both clocks, and everything happens that was to happen meanwhile. */
export async function pass(ms: number): Promise<void> {
  await settle();
  const end = { reached: false };
  setTimeout(() => {
    end.reached = true;
  }, ms);
  while (!end.reached) {
    vi.advanceTimersToNextTimer();
    await settle();
  }
}

/** The wall clock is set `ms` ahead (back, when negative), or a laptop slept for that long. */
export function jump(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

/** Everything that waits for no timer has happened. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export const BASE: BaseCredentials = {
  kind: "base",
  name: "hub",
  provider: { kind: "environment" },
  region: "eu-west-1",
};

export function roleSession(changes: Partial<RoleSession> = {}): RoleSession {
  return {
    kind: "role",
    source: BASE,
    roleArn: "arn:aws:iam::222222222222:role/orders-reader",
    sessionName: "orders",
    durationSeconds: 3600,
    region: "eu-west-1",
    sessionTags: {},
    transitiveTagKeys: [],
    policyArns: [],
    ...changes,
  };
}

/** A role session whose ARN ends in `name`. */
export function roleNamed(name: string, changes: Partial<RoleSession> = {}): RoleSession {
  return roleSession({ roleArn: `arn:aws:iam::222222222222:role/${name}`, ...changes });
}

export interface StsCall {
  readonly session: RoleSession;
  readonly signer: SigningCredentials;
  readonly signal: AbortSignal;
  readonly at: Instant;
}

/** The three secrets of generation `serial`, each telling which one it is of. */
export function generation(serial: number, lifeMs = HOUR): TemporaryCredentials {
  return new TemporaryCredentials({
    accessKeyId: accessKeyIdOf(serial),
    secretAccessKey: `secret/${serial}`,
    sessionToken: `token/${serial}`,
    expiration: new Date(Date.now() + lifeMs),
    issuedAt: new Date(),
  });
}

export function accessKeyIdOf(serial: number): string {
  return `ASIA${String(serial).padStart(8, "0")}EXAMPLE`;
}

/** An STS that answers at once with a new generation, until a test gives it another `answer`. */
export class FakeSts {
  readonly calls: StsCall[] = [];
  inFlight = 0;
  answer: (call: StsCall) => Promise<TemporaryCredentials> = (call) => this.issue(call);
  #serial = 0;

  readonly assumeRole: AssumeRole = async (session, signer, { signal }) => {
    const call = { session, signer, signal, at: now() };
    this.calls.push(call);
    this.inFlight++;
    try {
      return await this.answer(call);
    } finally {
      this.inFlight--;
    }
  };

  /** How often `session` has been assumed. */
  callsOf(session: RoleSession): number {
    return this.calls.filter((call) => call.session === session).length;
  }

  /** What STS does when all is well. */
  async issue({ session }: StsCall): Promise<TemporaryCredentials> {
    return generation(++this.#serial, session.durationSeconds * 1000);
  }

  /** STS is well again. */
  recover(): void {
    this.answer = (call) => this.issue(call);
  }

  failWith(code: CrossroleErrorCode): void {
    this.answer = () => Promise.reject(new CrossroleError(code, `STS said ${code}`));
  }

  answerAfter(ms: number): void {
    this.answer = async (call) => {
      await new Promise((resolve) => {
        setTimeout(resolve, ms);
      });
      return this.issue(call);
    };
  }

  /** Never answers, and heeds no signal either. */
  fallSilent(): void {
    this.answer = () => Promise.withResolvers<never>().promise;
  }
}

/** A base with long-lived keys, until a test gives it another `answer`. */
export class FakeBase {
  readonly loads: { readonly base: BaseCredentials; readonly signal: AbortSignal }[] = [];
  answer: () => Promise<SigningCredentials> = async () => longLivedKeys();

  readonly loadBase: LoadBaseCredentials = async (base, { signal }) => {
    this.loads.push({ base, signal });
    return this.answer();
  };
}

export function longLivedKeys(accessKeyId = "AKIAHUBUSEREXAMPLE"): SigningCredentials {
  return new SigningCredentials({
    accessKeyId,
    secretAccessKey: "secret/hub",
    issuedAt: new Date(),
  });
}

/** A cache with an STS and a base, none of them in any trouble, and no jitter. */
export function startCache(options: Partial<CacheOptions> = {}) {
  const sts = new FakeSts();
  const base = new FakeBase();
  const events: CredentialEvent[] = [];
  const cache = new CredentialCache({
    assumeRole: sts.assumeRole,
    assumeRoleOfPod: () => Promise.reject(new TypeError("there are no pods here")),
    loadBase: base.loadBase,
    now,
    random: () => 0,
    onEvent: (event) => events.push(event),
    callsPerSecond: 10,
    burst: 20,
    ...options,
  });
  return { cache, sts, base, events };
}

/** Long enough for an STS that answers at once, and what every caller in these tests is ready to wait. */
export const HOLD = { holdMs: 400 };

/** The answer to a caller of `session`, or the error code it got. */
export async function ask(
  cache: CredentialCache,
  session: RoleSession,
  options = HOLD,
): Promise<TemporaryCredentials | string> {
  try {
    return await cache.get(session, options);
  } catch (error) {
    return error instanceof CrossroleError ? error.code : String(error);
  }
}

/** Milliseconds of life left in what is answered now; throws when that is an error. */
export async function lifeOf(cache: CredentialCache, session: RoleSession): Promise<number> {
  const credentials = await cache.get(session, HOLD);
  return credentials.expiration.getTime() - Date.now();
}
