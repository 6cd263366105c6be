/** @module The keys of metadata tokens, kept where a restart finds them and nobody else does. */
import { createSecretKey } from "node:crypto";
import { parseObject } from "../json-object.ts";
import type { StateDirectory } from "../state/directory.ts";
import { newTokenKeys, rotate } from "./metadata-token.ts";
import type { TokenKeys } from "./metadata-token.ts";

const FILE = "metadata-token-keys.json";
const MAX_BYTES = 4_096;
const KEY = /^[A-Za-z0-9_-]{43}$/;

/** Whom to tell what is wrong with the file. A daemon does its work without it. */
export interface KeyFileTrouble {
  /** What is there is no file of keys: new ones take its place. */
  readonly onMalformed: () => void;
  /** The keys cannot be written. */
  readonly onError: (error: unknown) => void;
}

/** Today's keys; asks for new ones when it is time. */
export type CurrentKeys = () => TokenKeys;

/**
 * The keys in `state`, or new ones; new ones that end with the process without a state directory,
 * and where they cannot be written: a full volume costs a 401 after the next restart, and clients heal.
 */
export async function openTokenKeys(
  state: StateDirectory | undefined,
  now: () => number,
  trouble: KeyFileTrouble,
): Promise<CurrentKeys> {
  let keys = state === undefined ? newTokenKeys(now()) : await restore(state, now(), trouble);
  return () => {
    const current = rotate(keys, now());
    if (current === keys) return keys;
    keys = current;
    // Tokens are issued meanwhile; a restart that misses the new key costs a 401, and clients heal.
    if (state !== undefined) writeTokenKeys(state, keys).catch(trouble.onError);
    return keys;
  };
}

async function restore(
  state: StateDirectory,
  nowMs: number,
  { onMalformed, onError }: KeyFileTrouble,
): Promise<TokenKeys> {
  // Before it is read: another daemon that starts now may be writing the first one.
  const isThere = await state.has(FILE);
  const known = parseKeys((await state.read(FILE, MAX_BYTES)) ?? "");
  if (known === undefined && isThere) onMalformed();
  const keys = rotate(known ?? newTokenKeys(nowMs), nowMs);
  // What is there already is left alone: two daemons that overlap start with the same keys.
  if (keys !== known) await writeTokenKeys(state, keys).catch(onError);
  return keys;
}

async function writeTokenKeys(state: StateDirectory, keys: TokenKeys): Promise<void> {
  const text = JSON.stringify({
    current: keys.current.export().toString("base64url"),
    since: keys.since,
    previous: keys.previous?.export().toString("base64url"),
  });
  await state.write(FILE, text);
}

function parseKeys(text: string): TokenKeys | undefined {
  // No file yet, or half a file of another program: new keys are made, tokens are asked for anew.
  const stored = parseObject(text) ?? {};
  const current = keyOf(stored["current"]);
  const since = stored["since"];
  if (current === undefined || typeof since !== "number") return undefined;
  return { current, since, previous: keyOf(stored["previous"]) };
}

function keyOf(value: unknown): TokenKeys["previous"] {
  if (typeof value !== "string" || !KEY.test(value)) return undefined;
  return createSecretKey(Buffer.from(value, "base64url"));
}
