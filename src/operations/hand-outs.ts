/** @module Who was handed which credentials: an audit line for what is new, and nothing at all for the rest. */
import type { CallerSession, OnHandOut } from "../callers/types.ts";
import { podOfSource } from "../credentials/types.ts";
import type { TemporaryCredentials } from "../credentials/types.ts";
import type { Log } from "../log.ts";

/** Callers that are remembered of one set of credentials; those beyond have no line of their own. */
const MAX_CALLERS = 1_000;
/** Hand-outs that are remembered for whoever looks. */
const MAX_SHOWN = 500;

/** A caller and what it was handed last. */
export interface HandOut {
  readonly roleName: string;
  readonly caller: string;
  readonly accessKeyId: string;
  readonly atMs: number;
  readonly expirationMs: number;
}

export class HandOuts {
  /** Hand-outs that took no call of their own to STS, by what saved it. */
  readonly saved = { memory: 0, shared: 0 };
  /** Whoever has been given a set of credentials; it goes with them. */
  readonly #seen = new WeakMap<TemporaryCredentials, Set<string>>();
  /** The last hand-out to each caller of each role, the oldest first. */
  readonly #last = new Map<string, HandOut>();
  readonly #log: Log;
  readonly #now: () => number;

  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** For the faces of one listener. What is not new costs two look-ups and an addition. */
  at(listener: string): OnHandOut {
    return (caller, credentials, waited) => {
      const callers = this.#seen.get(credentials);
      if (callers === undefined) {
        this.#seen.set(credentials, new Set([caller.caller]));
        this.#note(listener, caller, credentials);
        return;
      }
      this.saved[waited ? "shared" : "memory"]++;
      if (callers.has(caller.caller) || callers.size >= MAX_CALLERS) return;
      callers.add(caller.caller);
      this.#note(listener, caller, credentials);
    };
  }

  /** What is still good for something, the newest first. */
  current(): HandOut[] {
    const nowMs = this.#now();
    return [...this.#last.values()].filter(({ expirationMs }) => expirationMs > nowMs).toReversed();
  }

  #note(
    listener: string,
    { caller, roleName, session }: CallerSession,
    { accessKeyId, expiration, requestId }: TemporaryCredentials,
  ): void {
    const atMs = this.#now();
    const expirationMs = expiration.getTime();
    const key = `${roleName}\n${caller}`;
    this.#last.delete(key);
    this.#last.set(key, { roleName, caller, accessKeyId, atMs, expirationMs });
    const [oldest] = this.#last.keys();
    if (this.#last.size > MAX_SHOWN && oldest !== undefined) this.#last.delete(oldest);
    const pod = podOfSource(session);
    this.#log.info("credentials handed out", {
      listener,
      caller,
      ...(pod === undefined ? {} : { namespace: pod.namespace, pod: pod.name }),
      role: roleName,
      roleArn: session.roleArn,
      sessionName: session.sessionName,
      accessKeyId,
      stsRequestId: requestId,
      remainingSeconds: Math.round((expirationMs - atMs) / 1000),
    });
  }
}
