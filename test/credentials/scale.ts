/** @module Many roles renewed on their schedules under one budget of STS calls, for hours of a clock that is moved. */
import { TemporaryCredentials } from "../../src/credentials/types.ts";
import { FakeSts, HOUR, MINUTE, roleSession, startCache } from "./support.ts";

/** How often every role is asked for. */
const STEP_MS = 5 * MINUTE;
/** Until every role has been obtained once. */
const START_MS = 2 * MINUTE;

export interface Scale {
  readonly roles: number;
  readonly callsPerSecond: number;
  readonly hours: number;
  /** Lets time pass, with everything that happens meanwhile. */
  readonly advance: (ms: number) => Promise<void>;
}

export interface ScaleResult {
  /** Of all answers. */
  readonly leastLifeMs: number;
  /** Callers for whom there was nothing to be had at once. */
  readonly waited: number;
  readonly calls: number;
}

/** `Date` and timers have to be the caller's, and stand still but for `advance`. */
export async function simulateScale(scale: Scale): Promise<ScaleResult> {
  const { roles, callsPerSecond, hours, advance } = scale;
  const sts = new FakeSts();
  const { cache } = startCache({
    assumeRole: sts.assumeRole,
    now: () => ({ wallMs: Date.now(), monotonicMs: Date.now() }),
    random: Math.random,
    callsPerSecond,
    burst: 2 * callsPerSecond,
  });
  const sessions = Array.from({ length: roles }, (_, index) =>
    roleSession({ roleArn: `arn:aws:iam::222222222222:role/role-${index}` }),
  );
  for (const session of sessions) void cache.get(session, { holdMs: Infinity });
  await advance(START_MS);
  let leastLifeMs = Infinity;
  let waited = 0;
  for (let passedMs = 0; passedMs < hours * HOUR; passedMs += STEP_MS) {
    await advance(STEP_MS);
    for (const session of sessions) {
      const held = cache.get(session, { holdMs: 0 });
      if (held instanceof TemporaryCredentials)
        leastLifeMs = Math.min(leastLifeMs, held.expiration.getTime() - Date.now());
      else {
        held.catch(() => undefined);
        waited++;
      }
    }
  }
  cache.close();
  return { leastLifeMs, waited, calls: sts.calls.length };
}
