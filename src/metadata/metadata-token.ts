/** @module Metadata tokens: stateless, bound to a caller and a listener, good across a restart. */
import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { CrossroleError } from "../errors.ts";

/**
 * Seconds a metadata token may live: 1 to 21600 (6 hours).
 *
 * @see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
 */
const MAX_TTL_SECONDS = 21_600;

/** A key signs for a day; what it signed is accepted for the six hours that its last token may live. */
const KEY_LIFE_MS = 24 * 3_600_000;

const KEY_BYTES = 32;
const EXPIRY_BYTES = 6;
const MAC_BYTES = 32;
const TOKEN_LENGTH = Math.ceil(((EXPIRY_BYTES + MAC_BYTES) * 4) / 3);

/** The keys of tokens: the one that signs, and the one before. */
export interface TokenKeys {
  readonly current: KeyObject;
  /** When `current` began to sign, in milliseconds since the epoch. */
  readonly since: number;
  readonly previous: KeyObject | undefined;
}

/** For whom a token is good, and nobody else. */
export interface TokenAudience {
  readonly caller: string;
  readonly listener: string;
}

export function newTokenKeys(nowMs: number, previous?: KeyObject): TokenKeys {
  return { current: createSecretKey(randomBytes(KEY_BYTES)), since: nowMs, previous };
}

/** `keys`, or fresh ones behind them when the current key has signed for a day. */
export function rotate(keys: TokenKeys, nowMs: number): TokenKeys {
  const ageMs = nowMs - keys.since;
  // A clock set back must not make a key sign for ever.
  if (ageMs >= 0 && ageMs < KEY_LIFE_MS) return keys;
  return newTokenKeys(nowMs, keys.current);
}

/**
 * Reads the `X-aws-ec2-metadata-token-ttl-seconds` header.
 *
 * @throws {@link CrossroleError} `ERR_TOKEN_TTL_INVALID` unless it is 1 to 21600.
 */
export function parseTtl(header: string | undefined): number {
  const seconds = /^\d{1,5}$/.test(header ?? "") ? Number(header) : 0;
  if (seconds >= 1 && seconds <= MAX_TTL_SECONDS) return seconds;
  const message = `the metadata token's TTL must be 1 to ${MAX_TTL_SECONDS} seconds`;
  throw new CrossroleError("ERR_TOKEN_TTL_INVALID", message);
}

/** A token: 6 bytes of expiry and their MAC, in base64url, with no newline. */
export function issueToken(
  keys: TokenKeys,
  audience: TokenAudience,
  ttlSeconds: number,
  nowMs: number,
): string {
  const expiry = Buffer.alloc(EXPIRY_BYTES);
  expiry.writeUIntBE(nowMs + ttlSeconds * 1000, 0, EXPIRY_BYTES);
  return Buffer.concat([expiry, mac(keys.current, expiry, audience)]).toString("base64url");
}

/** Whether `token` was issued for `audience` and has not expired. Takes the same time for every forgery. */
export function isTokenValid(
  keys: TokenKeys,
  audience: TokenAudience,
  token: string,
  nowMs: number,
): boolean {
  if (token.length !== TOKEN_LENGTH) return false;
  const bytes = Buffer.from(token, "base64url");
  if (bytes.length !== EXPIRY_BYTES + MAC_BYTES) return false;
  const expiry = bytes.subarray(0, EXPIRY_BYTES);
  const presented = bytes.subarray(EXPIRY_BYTES);
  if (!isSigned(keys, expiry, presented, audience, nowMs)) return false;
  // Last bits of base64 that no byte needs could be anything: one token has one spelling.
  if (bytes.toString("base64url") !== token) return false;
  return isInTime(expiry.readUIntBE(0, EXPIRY_BYTES), nowMs);
}

/** Whether a token that expires at `expiryMs` is good now. */
export function isInTime(expiryMs: number, nowMs: number): boolean {
  const leftMs = expiryMs - nowMs;
  // More than six hours ahead was signed by a clock that has been set back since.
  return leftMs > 0 && leftMs <= MAX_TTL_SECONDS * 1000;
}

/** When a valid token expires, in milliseconds since the epoch. */
export function expiryOf(token: string): number {
  return Buffer.from(token, "base64url").readUIntBE(0, EXPIRY_BYTES);
}

function isSigned(
  keys: TokenKeys,
  expiry: Buffer,
  presented: Buffer,
  audience: TokenAudience,
  nowMs: number,
): boolean {
  if (timingSafeEqual(presented, mac(keys.current, expiry, audience))) return true;
  const isOver = nowMs - keys.since > MAX_TTL_SECONDS * 1000;
  if (keys.previous === undefined || isOver) return false;
  return timingSafeEqual(presented, mac(keys.previous, expiry, audience));
}

function mac(key: KeyObject, expiry: Buffer, { caller, listener }: TokenAudience): Buffer {
  // The newline keeps "a" + "bc" from being "ab" + "c": no address and no caller has one.
  return createHmac("sha256", key).update(expiry).update(`${listener}\n${caller}`).digest();
}
