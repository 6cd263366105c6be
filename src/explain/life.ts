/** @module How long credentials live, as a report says it. */
import type { SigningCredentials } from "../credentials/types.ts";

/** Nothing for keys that do not expire. */
export function lifeOf(
  { expiration }: SigningCredentials,
  nowMs: number,
): { readonly expiration?: string; readonly remainingSeconds?: number } {
  if (expiration === undefined) return {};
  const remainingSeconds = Math.round((expiration.getTime() - nowMs) / 1000);
  return { expiration: expiration.toISOString(), remainingSeconds };
}
