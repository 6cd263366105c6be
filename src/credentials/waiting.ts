/** @module How long a wait may last: a caller's for the call, and the call's for its answer. */
import { CrossroleError } from "../errors.ts";
import type { Entry } from "./entry.ts";
import { TemporaryCredentials } from "./types.ts";
import type { CredentialSource, RoleSession, SigningCredentials } from "./types.ts";

/** When a call to STS, or the loading of a base, is given up: 10 seconds. */
const ATTEMPT_TIMEOUT_MS = 10_000;

/** `pending`, or an error after `holdMs`. The timer is the only thing that ends with the wait. */
export async function within(
  pending: Promise<SigningCredentials>,
  holdMs: number,
  session: RoleSession,
): Promise<TemporaryCredentials> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const giveUp = () => {
    const message = `no credentials for ${session.roleArn} yet; STS has been asked`;
    reject(new CrossroleError("ERR_CREDENTIALS_PENDING", message));
  };
  const timer = holdMs === Infinity ? undefined : setTimeout(giveUp, holdMs);
  try {
    const credentials = await Promise.race([pending, late]);
    if (credentials instanceof TemporaryCredentials) return credentials;
    throw new TypeError("a role session yields temporary credentials");
  } finally {
    clearTimeout(timer);
  }
}

/** One call, given up at its time-out or with its entry, even when whoever was called heeds no signal. */
export async function bounded<T>(
  entry: Entry,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = (reason: CrossroleError) => {
    reject(reason);
    abort.abort(reason);
  };
  const timer = setTimeout(() => giveUp(timedOut(entry.source)), ATTEMPT_TIMEOUT_MS);
  entry.onClose = () => giveUp(unwanted());
  try {
    return await Promise.race([call(abort.signal), givenUp]);
  } finally {
    clearTimeout(timer);
    entry.onClose = undefined;
  }
}

function timedOut(source: CredentialSource): CrossroleError {
  const what = source.kind === "role" ? `STS for ${source.roleArn}` : `base "${source.name}"`;
  return new CrossroleError(
    "ERR_STS_UNAVAILABLE",
    `${what} did not answer within ${ATTEMPT_TIMEOUT_MS / 1000} s`,
  );
}

export function unwanted(): CrossroleError {
  return new CrossroleError("ERR_CLOSED", "the session is no longer wanted");
}

export function closing(): CrossroleError {
  return new CrossroleError("ERR_CLOSED", "crossrole is shutting down");
}
