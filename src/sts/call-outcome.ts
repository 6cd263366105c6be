/** @module What came of each request to STS, for whoever counts: an operation, a code of a closed list, a time. */
import { CrossroleError } from "../errors.ts";
import { isNamed } from "./errors.ts";
import { nameOf, statusOf } from "./said.ts";

/** One request to STS that was made. */
export interface StsCall {
  /** AWS's name of what was asked for: `AssumeRole`. */
  readonly operation: string;
  /** `OK`, AWS's name of the error, `malformed`, `HTTP5xx`, a code of the system such as `ECONNREFUSED`, or `other`. */
  readonly code: string;
  readonly elapsedMs: number;
}

/** AWS's names that say to ask again, and what the SDK and Node call a network that does not work. */
const TRANSIENT: ReadonlySet<string> = new Set([
  "InternalFailure",
  "ServiceUnavailable",
  "RequestExpired",
  "RequestTimeTooSkewed",
  "TimeoutError",
  "AbortError",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
  "ETIMEDOUT",
]);

/** Starts the clock of one request; what is returned is told what it was and how it ended: with an error, or undefined. */
export function timedCall(
  onCall: ((call: StsCall) => void) | undefined,
): (operation: string, error: unknown) => void {
  const startedMs = performance.now();
  return (operation, error) => {
    const elapsedMs = performance.now() - startedMs;
    onCall?.({ operation, code: error === undefined ? "OK" : outcomeOf(error), elapsedMs });
  };
}

/** A closed list: whoever answers in STS's place makes up no label of a metric. */
function outcomeOf(error: unknown): string {
  const name = nameOf(error).replace(/Exception$/, "");
  // The SDK calls every broken connection a time-out; the system's code says more.
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (TRANSIENT.has(code)) return code;
  if (isNamed(name) || TRANSIENT.has(name)) return name;
  const status = statusOf(error);
  // Of a 200 that holds no credentials, and of one that is none of STS's.
  const isMalformed = error instanceof CrossroleError && error.code === "ERR_STS_MALFORMED";
  if (isMalformed || status === 200) return "malformed";
  return status === undefined ? "other" : `HTTP${String(status)[0]}xx`;
}
