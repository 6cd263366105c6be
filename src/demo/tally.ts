/** @module What has happened so far: every event folded into counts. */
import { READER } from "./events.ts";
import type { DemoEvent } from "./events.ts";

/** The session that the daemon holds of a role. */
interface HeldSession {
  readonly accessKeyId: string;
  readonly obtainedMs: number;
  readonly expirationMs: number;
}

export interface Tally {
  readonly startedMs: number;
  readonly held: ReadonlyMap<string, HeldSession>;
  /** When each access key id expires. */
  readonly expirations: ReadonlyMap<string, number>;
  /** Requests of the application, answered and failed. */
  readonly requests: number;
  readonly failedRequests: number;
  readonly lastError: string | undefined;
  /** The access key ids that it signed with, one after the other. */
  readonly generations: readonly string[];
  /** Requests that the service refused, whether the SDK tried again or not. */
  readonly refused: number;
  /** Of the role that the application uses. */
  readonly renewals: number;
  readonly failedRenewals: number;
  /** Calls of AssumeRole, for both roles. */
  readonly stsAnswered: number;
  readonly stsUnanswered: number;
  readonly outages: number;
  readonly downSinceMs: number | undefined;
  /** The time that STS was down, as far as it is back. */
  readonly downMs: number;
  readonly requestsWhileDown: number;
  readonly failedWhileDown: number;
}

export function emptyTally(startedMs: number): Tally {
  return {
    startedMs,
    held: new Map(),
    expirations: new Map(),
    requests: 0,
    failedRequests: 0,
    lastError: undefined,
    generations: [],
    refused: 0,
    renewals: 0,
    failedRenewals: 0,
    stsAnswered: 0,
    stsUnanswered: 0,
    outages: 0,
    downSinceMs: undefined,
    downMs: 0,
    requestsWhileDown: 0,
    failedWhileDown: 0,
  };
}

export function tallied(tally: Tally, event: DemoEvent): Tally {
  switch (event.type) {
    case "obtained":
      return withSession(tally, event);
    case "renewalFailed":
      if (event.role !== READER.name) return tally;
      return { ...tally, failedRenewals: tally.failedRenewals + 1 };
    case "requested":
      return withRequest(tally, event.accessKeyId);
    case "requestFailed":
      return withFailure(tally, event.error);
    case "refused":
      return { ...tally, refused: tally.refused + 1 };
    case "stsAsked":
      return event.answered
        ? { ...tally, stsAnswered: tally.stsAnswered + 1 }
        : { ...tally, stsUnanswered: tally.stsUnanswered + 1 };
    case "stsDown":
      return { ...tally, outages: tally.outages + 1, downSinceMs: event.atMs };
    case "stsBack": {
      const downMs = tally.downMs + event.atMs - (tally.downSinceMs ?? event.atMs);
      return { ...tally, downMs, downSinceMs: undefined };
    }
    case "serving":
    case "said":
      return tally;
  }
}

function withSession(tally: Tally, event: Extract<DemoEvent, { type: "obtained" }>): Tally {
  const { role, accessKeyId, expirationMs, atMs, renewal } = event;
  const isRenewal = renewal && role === READER.name;
  return {
    ...tally,
    held: new Map(tally.held).set(role, { accessKeyId, obtainedMs: atMs, expirationMs }),
    expirations: new Map(tally.expirations).set(accessKeyId, expirationMs),
    renewals: tally.renewals + (isRenewal ? 1 : 0),
  };
}

function withRequest(tally: Tally, accessKeyId: string): Tally {
  const { generations } = tally;
  return {
    ...tally,
    requests: tally.requests + 1,
    generations: generations.includes(accessKeyId) ? generations : [...generations, accessKeyId],
    requestsWhileDown: tally.requestsWhileDown + (tally.downSinceMs === undefined ? 0 : 1),
  };
}

function withFailure(tally: Tally, error: string): Tally {
  const isDown = tally.downSinceMs !== undefined;
  return {
    ...tally,
    requests: tally.requests + 1,
    failedRequests: tally.failedRequests + 1,
    lastError: error,
    requestsWhileDown: tally.requestsWhileDown + (isDown ? 1 : 0),
    failedWhileDown: tally.failedWhileDown + (isDown ? 1 : 0),
  };
}
