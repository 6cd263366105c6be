/** @module A session as it stands in a file of the state directory. */
import { createHash } from "node:crypto";
import type { RestoredSession } from "../credentials/restored.ts";
import { TemporaryCredentials } from "../credentials/types.ts";
import { parseObject } from "../json-object.ts";

/** Files of another version are of no use to this one. */
const VERSION = 1;

/** Now, by a clock that is set at times and by one that counts from the start of the machine. */
export interface MachineInstant {
  readonly wallMs: number;
  /** Milliseconds since the machine started, a laptop's sleep included. */
  readonly uptimeMs: number;
}

/** What is to be written of a session. */
export interface SavedSession {
  readonly key: string;
  readonly credentials: TemporaryCredentials;
  readonly obtained: MachineInstant;
}

/** The name of its file. A key is long and has any character in it. */
export function fileNameOf(key: string): string {
  return `${createHash("sha256").update(key).digest("hex")}.json`;
}

export function encode({ key, credentials, obtained }: SavedSession): string {
  const { accessKeyId, secretAccessKey, sessionToken, expiration, issuedAt } = credentials;
  return JSON.stringify({
    version: VERSION,
    key,
    accessKeyId,
    secretAccessKey,
    sessionToken,
    expiration: expiration.toISOString(),
    issuedAt: issuedAt.toISOString(),
    requestId: credentials.requestId,
    obtained,
  });
}

/**
 * What a file says, with the instants as this process's clocks have it; undefined when it is no
 * session, or when it was written before the machine started.
 *
 * @param monotonicMs this process's monotonic clock, at `now`
 */
export function decode(
  text: string,
  now: MachineInstant,
  monotonicMs: number,
): RestoredSession | undefined {
  const fields = parseObject(text) ?? {};
  const obtained = parseInstant(fields["obtained"]);
  const key = fields["key"];
  const credentials = credentialsIn(fields);
  if (fields["version"] !== VERSION || typeof key !== "string") return undefined;
  if (obtained === undefined || credentials === undefined) return undefined;
  const ageMs = now.uptimeMs - obtained.uptimeMs;
  if (ageMs < 0) return undefined;
  return {
    key,
    credentials,
    obtained: { wallMs: obtained.wallMs, monotonicMs: monotonicMs - ageMs },
  };
}

function credentialsIn(fields: Record<string, unknown>): TemporaryCredentials | undefined {
  const { accessKeyId, secretAccessKey, sessionToken, requestId } = fields;
  const expiration = parseDate(fields["expiration"]);
  const issuedAt = parseDate(fields["issuedAt"]);
  if (typeof accessKeyId !== "string" || typeof secretAccessKey !== "string") return undefined;
  if (typeof sessionToken !== "string" || expiration === undefined) return undefined;
  if (issuedAt === undefined) return undefined;
  return new TemporaryCredentials({
    accessKeyId,
    secretAccessKey,
    sessionToken,
    expiration,
    issuedAt,
    requestId: typeof requestId === "string" ? requestId : undefined,
  });
}

function parseDate(value: unknown): Date | undefined {
  const date = new Date(typeof value === "string" ? value : Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function parseInstant(value: unknown): MachineInstant | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { wallMs, uptimeMs } = { wallMs: undefined, uptimeMs: undefined, ...value };
  if (typeof wallMs !== "number" || typeof uptimeMs !== "number") return undefined;
  return Number.isFinite(wallMs) && Number.isFinite(uptimeMs) ? { wallMs, uptimeMs } : undefined;
}
