import fc from "fast-check";
import { afterEach, describe, expect, it, vi, inject } from "vitest";
import { CredentialCache } from "../../src/credentials/cache.ts";
import { MIN_REMAINING_MS } from "../../src/credentials/renewal.ts";
import { TemporaryCredentials } from "../../src/credentials/types.ts";
import type { AssumeRole, Instant, RoleSession } from "../../src/credentials/types.ts";
import { CrossroleError } from "../../src/errors.ts";
import type { CrossroleErrorCode } from "../../src/errors.ts";
import {
  FakeBase,
  HOLD,
  HOUR,
  MINUTE,
  SECOND,
  generation,
  jump,
  now,
  pass,
  roleNamed,
  settle,
  stopClocks,
} from "./support.ts";

/** How many histories `npm test` tries; set it to 100,000 for a night. */
const RUNS = inject("modelRuns") ?? 3_000;

/** By then every pause has ended: 5 minutes for the hop, 5 for the role behind it, and some. */
const HEALED_MS = 12 * MINUTE;

const GATEWAY = roleNamed("gateway");
const ROLES = {
  gateway: GATEWAY,
  behind: roleNamed("behind", { source: GATEWAY }),
  short: roleNamed("short", { durationSeconds: 1800 }),
} as const;
const ROLE_NAMES = ["gateway", "behind", "short"] as const;

const ERRORS = [
  "ERR_STS_UNAVAILABLE",
  "ERR_STS_THROTTLED",
  "ERR_ROLE_DENIED",
  "ERR_BASE_EXPIRED",
] as const satisfies CrossroleErrorCode[];
const MOODS = ["well", "slow", "silent", "empty", "malformed", "past", ...ERRORS] as const;
type Mood = (typeof MOODS)[number];

type Action =
  | { readonly does: "ask"; readonly role: keyof typeof ROLES }
  | { readonly does: "pass" | "sleep" | "set wall clock"; readonly ms: number }
  | { readonly does: "sts"; readonly mood: Mood }
  | { readonly does: "base"; readonly works: boolean };

const actions = fc.array<Action>(
  fc.oneof(
    { weight: 4, arbitrary: action("ask", { role: fc.constantFrom(...ROLE_NAMES) }) },
    { weight: 2, arbitrary: action("pass", { ms: between(1, 12 * SECOND) }) },
    { weight: 2, arbitrary: action("pass", { ms: between(1, 5 * MINUTE) }) },
    { weight: 1, arbitrary: action("pass", { ms: between(1, 35 * MINUTE) }) },
    { weight: 1, arbitrary: action("sleep", { ms: between(1, 2 * HOUR) }) },
    { weight: 1, arbitrary: action("set wall clock", { ms: between(-2 * HOUR, 2 * HOUR) }) },
    { weight: 2, arbitrary: action("sts", { mood: fc.constantFrom(...MOODS) }) },
    { weight: 1, arbitrary: action("base", { works: fc.boolean() }) },
  ),
  { maxLength: 30 },
);

function action<Does extends string, Fields extends object>(
  does: Does,
  fields: { [Field in keyof Fields]: fc.Arbitrary<Fields[Field]> },
): fc.Arbitrary<{ does: Does } & Fields> {
  return fc.record(fields).map((values) => Object.assign(values, { does }));
}

function between(min: number, max: number): fc.Arbitrary<number> {
  return fc.integer({ min, max });
}

/** What STS has handed out last for a session, and from when until when it is good. */
interface Issued {
  readonly credentials: TemporaryCredentials;
  readonly at: Instant;
  readonly lifeMs: number;
}

/** The world around a cache, and what it must answer. */
class World {
  readonly faults: string[] = [];
  readonly cache: CredentialCache;
  readonly base = new FakeBase();
  mood: Mood = "well";
  readonly #latest = new Map<RoleSession, Issued>();
  readonly #inFlight = new Set<RoleSession>();
  #serial = 0;

  constructor(random: () => number) {
    this.cache = new CredentialCache({
      assumeRole: this.#assumeRole,
      assumeRoleOfPod: () => Promise.reject(new TypeError("there are no pods here")),
      loadBase: this.base.loadBase,
      now,
      random,
      onEvent: ({ type, source }) => {
        if (type === "lapsed" && source.kind === "role") this.#latest.delete(source);
      },
      callsPerSecond: 10,
      burst: 20,
      maxSessions: 10,
    });
  }

  async run(step: Action): Promise<void> {
    switch (step.does) {
      case "pass":
        return pass(step.ms);
      case "set wall clock":
      case "sleep":
        return jump(step.ms);
      case "sts":
        this.mood = step.mood;
        return undefined;
      case "base":
        this.#baseWorks(step.works);
        return undefined;
      case "ask":
        return this.ask(ROLES[step.role]);
    }
  }

  /** Asks, waits as long as a caller would, and judges the answer when it comes. */
  async ask(role: RoleSession): Promise<void> {
    const wasHeld = this.lifeOf(role) > 0;
    const answer = this.cache.get(role, HOLD);
    if (answer instanceof TemporaryCredentials) return this.#judge(role, answer);
    if (wasHeld) this.faults.push("made a caller wait although valid credentials are held");
    const judged = answer.then(
      (credentials) => this.#judge(role, credentials),
      (error: unknown) => this.#excuse(role, error),
    );
    await pass(HOLD.holdMs);
    await judged;
  }

  /** Milliseconds of life, by the clock that says less, of what STS handed out last. */
  lifeOf(role: RoleSession): number {
    const issued = this.#latest.get(role);
    if (issued === undefined) return 0;
    const { wallMs, monotonicMs } = now();
    const ageMs = Math.max(wallMs - issued.at.wallMs, monotonicMs - issued.at.monotonicMs);
    return issued.lifeMs - ageMs;
  }

  heal(): void {
    this.mood = "well";
    this.#baseWorks(true);
  }

  #judge(role: RoleSession, answer: TemporaryCredentials): void {
    const expected = this.#latest.get(role)?.credentials;
    if (expected === undefined || namesOf(answer) !== namesOf(expected))
      this.faults.push(`answered ${namesOf(answer)} instead of ${expected && namesOf(expected)}`);
    if (this.lifeOf(role) <= 0) this.faults.push("answered expired credentials");
  }

  #excuse(role: RoleSession, error: unknown): void {
    if (!(error instanceof CrossroleError)) this.faults.push(`failed with ${String(error)}`);
    if (this.lifeOf(role) > 0) this.faults.push("failed although valid credentials are held");
  }

  #baseWorks(works: boolean): void {
    const healthy = new FakeBase();
    this.base.answer = works
      ? healthy.answer
      : () => Promise.reject(new CrossroleError("ERR_BASE_UNAVAILABLE", "gone"));
  }

  readonly #assumeRole: AssumeRole = async (session, _signer, { signal }) => {
    if (this.#inFlight.has(session)) this.faults.push("had two calls in flight for one session");
    this.#inFlight.add(session);
    try {
      return await this.#answer(session, signal);
    } finally {
      this.#inFlight.delete(session);
    }
  };

  async #answer(session: RoleSession, signal: AbortSignal): Promise<TemporaryCredentials> {
    const { mood } = this;
    if (mood === "silent") await aborted(signal);
    if (mood === "slow") await after(3 * SECOND);
    signal.throwIfAborted();
    const lifeMs = session.durationSeconds * 1000;
    const good = generation(++this.#serial, lifeMs);
    switch (mood) {
      case "empty":
        return changed(good, { sessionToken: "" });
      case "malformed":
        return changed(good, { secretAccessKey: 'a","b' });
      case "past":
        return changed(good, { expiration: new Date(Date.now() - 1) });
      case "well":
      case "slow":
        this.#latest.set(session, { credentials: good, at: now(), lifeMs });
        return good;
      case "silent":
        throw new TypeError("the silent do not answer");
      case "ERR_STS_UNAVAILABLE":
      case "ERR_STS_THROTTLED":
      case "ERR_ROLE_DENIED":
      case "ERR_BASE_EXPIRED":
        throw new CrossroleError(mood, "STS is unwell");
    }
  }
}

function changed(
  credentials: TemporaryCredentials,
  fields: { sessionToken?: string; secretAccessKey?: string; expiration?: Date },
): TemporaryCredentials {
  const { accessKeyId, secretAccessKey, sessionToken, expiration, issuedAt } = credentials;
  return new TemporaryCredentials({
    accessKeyId,
    secretAccessKey,
    sessionToken,
    expiration,
    issuedAt,
    ...fields,
  });
}

/** What tells one generation from another. */
function namesOf({ accessKeyId, secretAccessKey, sessionToken }: TemporaryCredentials): string {
  return [accessKeyId, secretAccessKey, sessionToken].join(" ");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Numbers in [0, 1) that a seed fixes (the minimal standard generator). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

describe("promises 1, 2, 3 and 7, over random histories", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("answers the latest valid generation, never fails while one is held, and heals", async () => {
    await fc.assert(
      fc.asyncProperty(actions, fc.integer({ min: 1, max: 2 ** 31 - 2 }), async (history, seed) => {
        stopClocks();
        const world = new World(randomFrom(seed));
        for (const step of history) {
          await world.run(step);
          await settle();
        }
        world.heal();
        await pass(HEALED_MS);
        for (const role of Object.values(ROLES)) {
          await world.ask(role);
          expect(world.lifeOf(role)).toBeGreaterThanOrEqual(MIN_REMAINING_MS);
        }
        world.cache.close();
        await settle();
        expect(world.faults).toEqual([]);
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: RUNS },
    );
  });
});
